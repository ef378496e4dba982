// Sets up and runs the benchmarks; arguments go through: npm run bench -- --quick
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./lib/fingerprint.mjs";
import { setup } from "./setup.mjs";

if (!(await setup())) process.exit(1);
const loader = join(root, "scripts/ts-loader.mjs");
const args = ["--import", loader, join(root, "bench/main.mjs"), ...process.argv.slice(2)];
process.exit(spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1);
