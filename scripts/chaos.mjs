// Sets up and hunts; arguments go through: npm run chaos -- --seed 7 --minutes 1
import { setup } from "./setup.mjs";
import "./ts-loader.mjs";

if (!(await setup())) process.exit(1);
await import("../test/chaos/main.ts");
