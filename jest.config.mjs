// Tests run as ES modules on the TypeScript sources; every file is its own island (own Redis, own ports).
const transform = {
  "^.+\\.ts$": [
    "@swc/jest",
    {
      jsc: { parser: { syntax: "typescript" }, target: "es2023" },
      module: { type: "es6" },
      sourceMaps: "inline",
    },
  ],
};
const base = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform,
  injectGlobals: false,
  moduleNameMapper: {
    "^uee$": "<rootDir>/src/index.ts",
    "^content-disposition$": "<rootDir>/test/support/native/content-disposition.cjs",
  },
  moduleFileExtensions: ["ts", "js", "mjs", "cjs", "json", "node"],
};
export default {
  maxWorkers: 2,
  testTimeout: 120_000,
  projects: ["unit", "integration", "faults", "e2e"].map((name) => ({
    ...base,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  })),
};
