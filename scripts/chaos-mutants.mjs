// Breaks one safeguard of the engine at a time, in a copy; every mutant must be caught: npm run chaos:mutants
import { setup } from "./setup.mjs";
import "./ts-loader.mjs";

if (!(await setup())) process.exit(1);
await import("../test/chaos/mutants/main.ts");
