/** The tables as Lua expressions, which the scripts define as locals (redis/scripts.ts). */
import { breakerMachine } from "./breakerMachine.ts";
import { macroMachine, macroRules, providerSays } from "./macroMachine.ts";
import { providerMachine } from "./providerMachine.ts";

/** What only the docs say of a machine or of one of its steps. */
const onlyDocs = new Set(["states", "events", "why", "v2e"]);

const toLua = (value: unknown): string =>
  typeof value === "object" && value !== null
    ? `{ ${Object.entries(value)
        .filter(([name]) => !onlyDocs.has(name))
        .map(([name, one]) => `${name} = ${toLua(one)}`)
        .join(", ")} }`
    : JSON.stringify(value);

export const luaTables = {
  providerMachine: toLua(providerMachine),
  macroMachine: toLua(macroMachine),
  breakerMachine: toLua(breakerMachine),
  providerSays: toLua(providerSays),
  macroRules: toLua(macroRules),
};
