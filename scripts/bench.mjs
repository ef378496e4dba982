// Sets up and runs the benchmarks; arguments go through: npm run bench -- --quick
import { setup } from "./setup.mjs";

if (!(await setup())) process.exit(1);
await import("../bench/main.mjs");
