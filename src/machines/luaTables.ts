/** The tables as Lua for the scripts that check transitions; `npm run docs` generates them into lua/*.lua. */
import { breakerMachine } from "./breakerMachine.ts";
import { eventsOf, isMove, type Machine, type Step, statesOf, stepOf } from "./defineMachine.ts";
import { macroMachine, macroRules, providerSays } from "./macroMachine.ts";
import { providerMachine } from "./providerMachine.ts";

const header = (from: string, defines: string): string =>
  `--[[
  Generated from src/machines/${from} by \`npm run docs\`. Do not edit.
  ${defines}
]]
`;

const text = (value: string): string => JSON.stringify(value);

const luaStep = <State extends string>(step: Step<State>): string => {
  if (!isMove(step)) return `{ stays = ${text(step.stays)} }`;
  const parts = [`to = ${text(step.to)}`];
  if (step.by) parts.push(`by = ${text(step.by)}`);
  if (step.again) parts.push("again = true");
  if (step.guard) parts.push(`guard = ${text(step.guard)}`);
  return `{ ${parts.join(", ")} }`;
};

function luaMachine<State extends string, Event extends string>(machine: Machine<State, Event>): string {
  const rows = statesOf(machine).map((state) => {
    const steps = eventsOf(machine).flatMap((event) => {
      const step = stepOf(machine, state, event);
      return step ? [`      ${event} = ${luaStep(step)},\n`] : [];
    });
    return `    ${state} = {\n${steps.join("")}    },\n`;
  });
  return `local ${machine.name}Machine = {
  name = ${text(machine.name)},
  initial = ${text(machine.initial)},
  table = {
${rows.join("")}  },
}
`;
}

const providerLua = (): string =>
  `${header("providerMachine.ts", "Defines providerMachine, for transition.lua.")}${luaMachine(providerMachine)}`;

const breakerLua = (): string =>
  `${header("breakerMachine.ts", "Defines breakerMachine, for breakers/lua/breaker.lua.")}${luaMachine(breakerMachine)}`;

function macroLua(): string {
  const says = Object.entries(providerSays).map(
    ([state, { active, held }]) => `  ${state} = { active = ${active}, held = ${text(held)} },\n`,
  );
  const rules = Object.entries(macroRules).map(
    ([state, { sees, event }]) => `  ${state} = { sees = ${text(sees)}, event = ${text(event)} },\n`,
  );
  const defines =
    "Defines macroMachine, providerSays and macroRules, for transition.lua and followProviders.lua.";
  return `${header("macroMachine.ts", defines)}${luaMachine(macroMachine)}
local providerSays = {
${says.join("")}}

local macroRules = {
${rules.join("")}}
`;
}

/** File name in src/machines/lua → its text. */
export const luaTables = (): Record<string, string> => ({
  "providerMachine.lua": providerLua(),
  "macroMachine.lua": macroLua(),
  "breakerMachine.lua": breakerLua(),
});
