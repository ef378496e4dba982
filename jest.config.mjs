// Tests run as ES modules on the TypeScript sources; every file is its own island (own Redis, own ports).
const swc = {
  jsc: { parser: { syntax: "typescript" }, target: "es2023" },
  module: { type: "es6" },
  sourceMaps: "inline",
};
// Which error codes are really made is witnessed: see test/errors/README.md.
const transform = {
  "/src/core/errors\\.ts$": ["<rootDir>/test/support/witness/transform.mjs", swc],
  "^.+\\.ts$": ["@swc/jest", swc],
};
const base = {
  testEnvironment: "<rootDir>/test/support/witness/environment.mjs",
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
  testSequencer: "<rootDir>/test/support/longestFirst.mjs",
  // Most of the time tests wait for locks, leases and back-offs to run out: three files share two cores.
  maxWorkers: 3,
  // Tests of one file that are declared concurrent.
  maxConcurrency: 3,
  testTimeout: 120_000,
  projects: ["unit", "integration", "faults", "e2e"].map((name) => ({
    ...base,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  })),
};
