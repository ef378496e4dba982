// Direction of imports and circles, by scripts/import-rules.cjs.
//   node scripts/check-imports.mjs [root of another tree with a src/]
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./lib/fingerprint.mjs";
import { pageImportBreaches } from "./lib/pageImports.mjs";
import { say } from "./lib/run.mjs";

const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
const rules = join(root, "scripts/import-rules.cjs");
const tree = process.argv[2] ?? root;
const result = spawnSync(process.execPath, [cruiser, "--config", rules, "src"], {
  cwd: tree,
  stdio: "inherit",
});
const breaches = pageImportBreaches(tree);
for (const breach of breaches) say(`  error ${breach}`);
process.exitCode = breaches.length > 0 ? 1 : (result.status ?? 1);
