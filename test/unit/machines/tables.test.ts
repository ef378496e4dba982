import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { breakerMachine } from "../../../src/machines/breakerMachine.ts";
import {
  defineMachine,
  eventsOf,
  isMove,
  type Machine,
  movesOf,
  statesOf,
  statesThatAllow,
  stepOf,
} from "../../../src/machines/defineMachine.ts";
import { describeMachines } from "../../../src/machines/describe.ts";
import { luaTables } from "../../../src/machines/luaTables.ts";
import { macroMachine, macroRules, providerSays } from "../../../src/machines/macroMachine.ts";
import { providerMachine } from "../../../src/machines/providerMachine.ts";

const inRepo = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

/** `IDLE→ACQUIRING|…` per state, as v2e has them. */
const v2eProvider = {
  IDLE: ["ACQUIRING"],
  ACQUIRING: ["RUNNING", "PAUSED", "TERMINATED"],
  RUNNING: ["WAITING_QUOTA", "WAITING_BACKOFF", "PAUSED", "TERMINATED"],
  WAITING_QUOTA: ["ACQUIRING", "TERMINATED"],
  WAITING_BACKOFF: ["ACQUIRING", "TERMINATED"],
  PAUSED: ["ACQUIRING", "TERMINATED"],
};
const v2eMacro = {
  BOOTSTRAPPING: ["ORCHESTRATING", "DRAINING"],
  ORCHESTRATING: ["STABILIZING", "DRAINING"],
  STABILIZING: ["ORCHESTRATING", "DRAINING"],
};

const pairs = (table: Record<string, string[]>): Set<string> =>
  new Set(Object.entries(table).flatMap(([from, targets]) => targets.map((to) => `${from}→${to}`)));

const movesMarked = <State extends string, Event extends string>(
  machine: Machine<State, Event>,
  v2e: boolean,
): Set<string> =>
  new Set(
    movesOf(machine)
      .filter((move) => (move.v2e ?? false) === v2e)
      .map(({ from, to }) => `${from}→${to}`),
  );

describe("the tables", () => {
  test("have all of v2e's transitions, and mark no other as v2e's", () => {
    expect(movesMarked(providerMachine, true)).toEqual(pairs(v2eProvider));
    expect(movesMarked(macroMachine, true)).toEqual(pairs(v2eMacro));
  });

  test("add only what a mirror that runs for ever needs", () => {
    expect(movesMarked(providerMachine, false)).toEqual(
      pairs({
        IDLE: ["PAUSED"],
        ACQUIRING: ["WAITING_QUOTA", "WAITING_BACKOFF"],
        RUNNING: ["ACQUIRING"],
        WAITING_QUOTA: ["PAUSED"],
        WAITING_BACKOFF: ["PAUSED"],
        TERMINATED: ["ACQUIRING", "PAUSED"],
      }),
    );
    expect(movesMarked(macroMachine, false)).toEqual(pairs({ DRAINING: ["BOOTSTRAPPING"] }));
  });

  test.each([
    ["provider", providerMachine as Machine<string, string>],
    ["macro", macroMachine as Machine<string, string>],
    ["breaker", breakerMachine as Machine<string, string>],
  ])("of the %s machine argue every step, move only to other states, and reach every state", (_, machine) => {
    const reached = new Set([machine.initial]);
    for (const state of reached) {
      for (const event of eventsOf(machine)) {
        const step = stepOf(machine, state, event);
        if (step === undefined) continue;
        expect(step.why.length).toBeGreaterThan(10);
        if (!isMove(step)) continue;
        expect(step.to).not.toBe(state);
        reached.add(step.to);
      }
    }
    expect([...reached].sort()).toEqual(statesOf(machine).sort());
  });

  test("ask an event again only where it moves on, and then ends", () => {
    for (const { to, event, again } of movesOf(providerMachine)) {
      if (!again) continue;
      const next = stepOf(providerMachine, to, event);
      expect(next !== undefined && isMove(next) && next.again === undefined).toBe(true);
    }
    expect(movesOf(macroMachine).filter(({ again }) => again)).toEqual([]);
  });

  test("leave PAUSED only when a person asks", () => {
    const ways = movesOf(providerMachine).filter(({ from }) => from === "PAUSED");
    expect(ways.map(({ event }) => event).sort()).toEqual(["resume", "stop"]);
    for (const { by } of ways) expect(by).toBe("person");
  });

  test("let a person pause in every state", () => {
    for (const state of statesOf(providerMachine))
      expect(stepOf(providerMachine, state, "pause")).toBeDefined();
  });

  test("say what recovery does in every state", () => {
    for (const state of statesOf(providerMachine))
      expect(stepOf(providerMachine, state, "recover")).toBeDefined();
  });

  test("have a legal move for every rule of the macro machine, and a text for every provider state", () => {
    for (const [state, rule] of Object.entries(macroRules)) {
      const step = stepOf(macroMachine, state as keyof typeof macroRules, rule.event);
      expect(step !== undefined && isMove(step)).toBe(true);
    }
    expect(Object.keys(providerSays).sort()).toEqual(statesOf(providerMachine).sort());
  });

  test("name the states that allow an event, those that it moves first of all", () => {
    expect(statesThatAllow(providerMachine, "resume")).toEqual(["PAUSED"]);
    expect(statesThatAllow(providerMachine, "open_run")).toEqual(["IDLE", "TERMINATED"]);
  });

  test("do not compile with a target, state or event that is not named", () => {
    const named = {
      name: "door",
      initial: "open",
      states: { open: "", shut: "" },
      events: { push: "" },
    } as const;
    const why = "For the sake of the compiler.";
    // Verified by `npm run check`: an expected error that does not come is one.
    // @ts-expect-error there is no state `ajar`
    defineMachine({ ...named, table: { open: { push: { to: "ajar", why } }, shut: {} } });
    // @ts-expect-error there is no event `kick`
    defineMachine({ ...named, table: { open: { kick: { to: "shut", why } }, shut: {} } });
    // @ts-expect-error the state `shut` has no row
    defineMachine({ ...named, table: { open: {} } });
    const door = defineMachine({ ...named, table: { open: { push: { to: "shut", why } }, shut: {} } });
    expect(stepOf(door, "open", "push")).toEqual({ to: "shut", why });
  });
});

describe("what is made from the tables", () => {
  test("Lua expressions have the steps without what only the docs need", () => {
    expect(luaTables.providerSays).toContain('PAUSED = { active = false, held = "yes" }');
    expect(luaTables.providerMachine).toContain('resume = { to = "ACQUIRING", by = "person" }');
    expect(luaTables.providerMachine).toContain('permits_granted = { to = "ACQUIRING", again = true }');
  });

  test("is current: docs/state-machines.md has every transition, argued", () => {
    // The formatter only pads cells and escapes.
    const plain = (text: string) => text.replace(/[\s\\]+/g, " ").replace(/-{3,}/g, "---");
    const page = plain(inRepo("docs/state-machines.md"));
    for (const row of plain(describeMachines()).split(" | | ")) expect(page).toContain(row.trim());
  });
});
