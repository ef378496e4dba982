/** Machines on a real Redis, and what their histories must look like. */
import { Writable } from "node:stream";
import type { Redis } from "ioredis";
import type { Actor } from "../../../src/core/actor.ts";
import { makeLogger, silentLogger } from "../../../src/core/logger.ts";
import { isMove, type Machine, stepOf } from "../../../src/machines/defineMachine.ts";
import {
  type MachineStore,
  type MacroMachineStore,
  openMacroMachine,
  openProviderMachine,
  type ProviderMachineStore,
} from "../../../src/machines/machineStore.ts";
import type { Transition } from "../../../src/machines/request.ts";
import { makeKeys } from "../../../src/redis/keys.ts";

export const person: Actor = { kind: "person", name: "ada" };
export const engine: Actor = { kind: "engine", name: "w-1" };

let prefixes = 0;
export const freshKeys = () => makeKeys(`m${++prefixes}`);

export const providerStore = (
  redis: Redis,
  keys = freshKeys(),
  name = "cve",
  kept?: number,
): ProviderMachineStore =>
  openProviderMachine(name, keys.provider(name), { redis, logger: silentLogger(), kept });

export const macroStore = (redis: Redis, keys = freshKeys()): MacroMachineStore =>
  openMacroMachine(keys, { redis, logger: silentLogger() });

export function recordingLogger() {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString("utf8")) as Record<string, unknown>);
      done();
    },
  });
  return { lines, logger: makeLogger({ destination }) };
}

/** The whole history, oldest first, read page by page. */
export async function wholeHistory<State extends string, Event extends string>(
  store: MachineStore<State, Event>,
): Promise<Transition<State, Event>[]> {
  const all: Transition<State, Event>[] = [];
  for (let before: string | undefined; ; ) {
    const page = await store.history({ limit: 97, before });
    all.push(...page.entries);
    if (page.next === null) return all.reverse();
    before = page.next;
  }
}

/** What is wrong with a history that begins with the first transition; empty when nothing is. */
export function breaches<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  history: Transition<State, Event>[],
): string[] {
  const found: string[] = [];
  let state = machine.initial;
  for (const [i, move] of history.entries()) {
    const step = stepOf(machine, move.oldState, move.trigger);
    const what = `#${i + 1} ${move.oldState} --${move.trigger}--> ${move.newState}`;
    if (move.version !== i + 1) found.push(`${what} has version ${move.version}`);
    if (move.oldState !== state) found.push(`${what} follows ${state}`);
    if (step === undefined || !isMove(step) || step.to !== move.newState) found.push(`${what} is illegal`);
    else if (step.by === "person" && move.actorKind !== "person")
      found.push(`${what} asked by ${move.actorKind}`);
    state = move.newState;
  }
  return found;
}
