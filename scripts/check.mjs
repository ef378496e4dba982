// Every check that needs no Redis: types, lint and format, imports, language, generated docs, unit tests. Prints one
// line per step, and a step's output only when it fails. All steps run, even after a failure.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./lib/fingerprint.mjs";
import { say } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

if (!(await setup({ redis: false }))) process.exit(1);

const bin = (path) => join(root, "node_modules", path);
const steps = [
  ["types", bin("typescript/bin/tsc"), "-p", "tsconfig.json"],
  ["types of the page", bin("typescript/bin/tsc"), "-p", "tsconfig.page.json"],
  [
    "lint and format",
    bin("@biomejs/biome/bin/biome"),
    "ci",
    "--diagnostic-level=warn",
    `--colors=${process.stderr.isTTY ? "force" : "off"}`,
  ],
  ["imports", join(root, "scripts/check-imports.mjs")],
  ["language", join(root, "scripts/check-language.mjs")],
  ["dead exports and files", join(root, "scripts/check-exports.mjs")],
  ["Lua scripts", join(root, "scripts/lint-lua.mjs")],
  ["generated docs", join(root, "scripts/generate-docs.mjs"), "--check"],
  [
    "unit tests",
    "--experimental-vm-modules",
    "--no-warnings",
    bin("jest/bin/jest.js"),
    "--selectProjects=unit",
  ],
];
const failed = [];
for (const [name, ...args] of steps) {
  const started = Date.now();
  const result = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", maxBuffer: 64e6 });
  const seconds = ((Date.now() - started) / 1_000).toFixed(1);
  say(`${result.status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (result.status === 0) continue;
  failed.push(name);
  process.stderr.write(`${result.stdout}${result.stderr}\n`);
}
if (failed.length > 0) say(`Not in order: ${failed.join(", ")}.`);
process.exitCode = failed.length > 0 ? 1 : 0;
