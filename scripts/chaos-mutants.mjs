// Breaks the engine on purpose, in a copy, one safeguard at a time; all of it must be caught: npm run chaos:mutants
import { setup } from "./setup.mjs";
import "./ts-loader.mjs";

if (!(await setup())) process.exit(1);
await import("../test/chaos/mutants/main.ts");
