// Direction of imports and circles, by scripts/import-rules.cjs.
//   node scripts/check-imports.mjs [root of another tree with a src/]
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./lib/fingerprint.mjs";

const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
const rules = join(root, "scripts/import-rules.cjs");
const result = spawnSync(process.execPath, [cruiser, "--config", rules, "src"], {
  cwd: process.argv[2] ?? root,
  stdio: "inherit",
});
process.exitCode = result.status ?? 1;
