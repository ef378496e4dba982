import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "@jest/globals";

const script = fileURLToPath(new URL("../../../scripts/check-exports.mjs", import.meta.url));
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uee-exports-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function check(files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return spawnSync(process.execPath, [script, root], { encoding: "utf8" }).stdout;
}

test("the check of exports passes what source, tests and scripts use, and types of a signature", () => {
  const output = check({
    "src/index.ts": 'export { a } from "./a.ts";\nexport const shown = 1;\n',
    "src/a.ts":
      "export interface Options { n: number }\nexport const a = (o: Options) => o;\nexport const b = 1;\n",
    "src/c.ts": "export const c = 1;\n",
    "test/b.test.ts": 'import { b } from "../src/a.ts";\nconsole.log(b);\n',
    "scripts/c.mjs": 'const { c } = await import("../dist/c.js");\nconsole.log(c);\n',
  });
  expect(output).toBe("");
});

test("the check of exports finds files and exports that nothing uses", () => {
  const output = check({
    "src/index.ts": 'export { a } from "./a.ts";\n',
    "src/a.ts": "export const a = 1;\nexport const b = 2;\nexport type T = string;\nconsole.log(b);\n",
    "src/left.ts": "export const left = 1;\n",
    "src/passing.ts": 'export * from "./passed.ts";\n',
    "src/passed.ts": "export const taken = 1;\nexport const extra = 1;\n",
    "src/later.ts": "export const late = 1;\nexport const never = 1;\n",
    "test/a.test.ts":
      'import { taken } from "../src/passing.ts";\nconst { late: l } = await import("../src/later.ts");\nconsole.log(taken, l);\n',
  });
  expect(output.trim().split("\n")).toEqual([
    "src/a.ts: nothing uses the export T",
    "src/a.ts: nothing uses the export b",
    "src/later.ts: nothing uses the export never",
    "src/left.ts: nothing imports it",
    "src/passed.ts: nothing uses the export extra",
  ]);
});
