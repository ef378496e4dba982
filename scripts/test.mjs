// Sets up and runs Jest; arguments go through: npm test -- test/unit/redis
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureChromium, mayNeedChromium } from "./lib/chromium.mjs";
import { ensureFaketime, mayNeedFaketime } from "./lib/faketime.mjs";
import { root } from "./lib/fingerprint.mjs";
import { ensurePostgres, mayNeedPostgres } from "./lib/postgres.mjs";
import { setup } from "./setup.mjs";

if (!(await setup())) process.exit(1);
if (mayNeedChromium(process.argv.slice(2))) ensureChromium();
if (mayNeedFaketime(process.argv.slice(2))) ensureFaketime();
if (mayNeedPostgres(process.argv.slice(2))) ensurePostgres();
const jest = join(root, "node_modules/jest/bin/jest.js");
// On the command line and not in NODE_OPTIONS: Jest's own workers inherit it, the programs under test do not.
const child = spawn(
  process.execPath,
  ["--experimental-vm-modules", "--no-warnings", jest, ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
  },
);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
