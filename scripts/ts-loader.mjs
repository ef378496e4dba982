// Lets Node run our TypeScript as it is: node --import ./scripts/ts-loader.mjs bench/main.ts
import { register } from "node:module";

register("./lib/ts-hooks.mjs", import.meta.url);
