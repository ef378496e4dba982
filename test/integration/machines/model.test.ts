/** Random requests against the tables as the model: one client after another, and many at once. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import type { Actor } from "../../../src/core/actor.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import {
  eventsOf,
  isMove,
  type ListedMove,
  type Machine,
  movesOf,
  statesOf,
  stepOf,
} from "../../../src/machines/defineMachine.ts";
import { luaTables } from "../../../src/machines/luaTables.ts";
import type { MachineStore } from "../../../src/machines/machineStore.ts";
import { providerMachineKeys } from "../../../src/machines/machineStore.ts";
import { macroMachine } from "../../../src/machines/macroMachine.ts";
import { MacroPump } from "../../../src/machines/macroPump.ts";
import { providerMachine } from "../../../src/machines/providerMachine.ts";
import { encodeRequest, type TransitionRequest } from "../../../src/machines/request.ts";
import { loadScript } from "../../../src/redis/scripts.ts";
import { oneServer, startRedis, type TestRedis } from "../../support/redisServer.ts";
import { breaches, engine, freshKeys, macroStore, person, providerStore, wholeHistory } from "./support.ts";

let server: TestRedis;
let clients: Redis[];
beforeAll(async () => {
  server = await startRedis();
  clients = Array.from({ length: 8 }, () => server.client());
});
afterAll(() => server.stop());

const actors: Actor[] = [
  person,
  engine,
  { kind: "schedule", name: "nightly" },
  { kind: "script", name: "etl.py" },
];

interface Asked<State extends string, Event extends string> {
  events: Event[];
  actor: Actor;
  waitMs: number | undefined;
  expect: { version?: number; state?: State } | undefined;
}

function asked<State extends string, Event extends string>(
  machine: Machine<State, Event>,
): fc.Arbitrary<Asked<State, Event>> {
  return fc.record({
    events: fc.array(fc.constantFrom(...eventsOf(machine)), { minLength: 1, maxLength: 3 }),
    actor: fc.oneof({ weight: 3, arbitrary: fc.constant(person) }, fc.constantFrom(...actors)),
    // A wait is long past or far from over when it is asked about: the model needs no clock.
    waitMs: fc.constantFrom(undefined, undefined, 0, 3_600_000),
    expect: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      fc.record({ version: fc.nat({ max: 6 }) }),
      fc.record({ state: fc.constantFrom(...statesOf(machine)) }),
    ),
  });
}

/** The machine in memory. */
class Model<State extends string, Event extends string> {
  readonly machine: Machine<State, Event>;
  state: State;
  version = 0;
  waits = false;

  constructor(machine: Machine<State, Event>) {
    this.machine = machine;
    this.state = machine.initial;
  }

  ask({ events, actor, waitMs, expect: wanted }: Asked<State, Event>): string {
    if (wanted?.version !== undefined && wanted.version !== this.version) return "lost";
    if (wanted?.state !== undefined && wanted.state !== this.state) return "lost";
    let { state, waits } = this;
    let moved = 0;
    let refreshes = false;
    const left = [...events];
    for (let event = left.shift(); event !== undefined; event = left.shift()) {
      const step = stepOf(this.machine, state, event);
      if (step === undefined) return "refused";
      if (!isMove(step)) {
        refreshes ||= step.stays === "refreshes";
        continue;
      }
      if (step.by === "person" && actor.kind !== "person") return "refused";
      if (step.guard === "until" && waits) return "unchanged";
      state = step.to;
      waits = false;
      moved++;
      if (step.again) left.unshift(event);
    }
    const asksFor = (waitMs ?? 0) > 0;
    if (moved > 0) this.waits = asksFor;
    // Without a known provider none waits: the macro machine never stays in STABILIZING.
    if (moved > 0 && state === "STABILIZING") {
      state = "ORCHESTRATING" as State;
      moved++;
      this.waits = false;
    } else if (refreshes && asksFor) this.waits = true;
    this.state = state;
    this.version += moved;
    return moved > 0 ? "moved" : "unchanged";
  }
}

const toRequest = <State extends string, Event extends string>({
  actor,
  waitMs,
  expect: wanted,
}: Asked<State, Event>): TransitionRequest<State> => ({ actor, waitMs, expect: wanted });

async function follow<State extends string, Event extends string>(
  store: MachineStore<State, Event>,
  script: Asked<State, Event>[],
): Promise<void> {
  const model = new Model(store.machine);
  for (const one of script) {
    const result = await store.attempt(one.events, toRequest(one));
    expect(result.kind).toBe(model.ask(one));
    expect(result.snapshot).toMatchObject({ state: model.state, version: model.version });
    expect(result.snapshot.remainingMs > 0).toBe(model.waits);
  }
  expect(breaches(store.machine, await wholeHistory(store))).toEqual([]);
}

const nameOf = <State extends string, Event extends string>(move: ListedMove<State, Event>): string =>
  `${move.from} ${move.event} ${move.to}`;

describe("asked anything in any order", () => {
  test("the provider's machine does as its table says", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(asked(providerMachine), { minLength: 20, maxLength: 120 }), (script) =>
        follow(providerStore(clients[0]!), script),
      ),
      { numRuns: 60, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
    );
  });

  test("the macro machine does as its table says", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(asked(macroMachine), { minLength: 5, maxLength: 60 }), (script) =>
        follow(macroStore(clients[0]!), script),
      ),
      { numRuns: 30, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
    );
  });
});

describe("asked by eight pods at once", () => {
  test("no illegal transition is ever stored, every legal one is taken, and each asker is told its own", async () => {
    const taken = new Set<string>();
    const wanted = movesOf(providerMachine).map(nameOf);
    for (let round = 0; round < 40 && taken.size < wanted.length; round++) {
      const keys = freshKeys();
      const stores = clients.map((redis) => providerStore(redis, keys, "cve", 10_000));
      const scripts = fc.sample(fc.array(asked(providerMachine), { minLength: 40, maxLength: 40 }), {
        numRuns: stores.length,
        seed: 1_000 + round,
      });
      const told: number[] = [];
      await Promise.all(
        stores.map(async (store, i) => {
          for (const one of scripts[i]!) {
            const result = await store.attempt(one.events, toRequest(one));
            if (result.kind === "moved") told.push(...result.moves.map(({ version }) => version));
          }
        }),
      );
      const history = await wholeHistory(stores[0]!);
      expect(breaches(providerMachine, history)).toEqual([]);
      expect(told.sort((a, b) => a - b)).toEqual(history.map((_, i) => i + 1));
      const last = await stores[0]!.read();
      expect([last.state, last.version]).toEqual([history.at(-1)?.newState ?? "IDLE", history.length]);
      // The outbox says the same, in the same order.
      const outbox = await clients[0]!.xrange(keys.provider("cve").machineOutbox, "-", "+");
      expect(outbox.map(([, flat]) => Number(flat[flat.indexOf("version") + 1]))).toEqual(
        history.map(({ version }) => version),
      );
      for (const { oldState, trigger, newState } of history) taken.add(`${oldState} ${trigger} ${newState}`);
    }
    expect(wanted.filter((name) => !taken.has(name))).toEqual([]);
  });
});

describe("the macro machine among eight pods", () => {
  test("stores no illegal transition and takes every legal one", async () => {
    const taken = new Set<string>();
    const wanted = movesOf(macroMachine).map(nameOf);
    const providers = ["cve", "attack"];
    for (let round = 0; round < 40 && taken.size < wanted.length; round++) {
      const keys = freshKeys();
      const seed = 5_000 + round;
      const askers = providers.map(async (name, i) => {
        const store = providerStore(clients[i]!, keys, name);
        const events = fc.sample(fc.constantFrom(...eventsOf(providerMachine)), {
          numRuns: 60,
          seed: seed + i,
        });
        for (const event of events) await store.attempt(event, { actor: person });
      });
      const fleet = clients.slice(2).map(async (redis, i) => {
        const macro = macroStore(redis, keys);
        const pump = new MacroPump({
          redis: oneServer(redis),
          keys,
          macro,
          providers,
          logger: silentLogger(),
          actor: `w-${i}`,
        });
        const steps = fc.sample(fc.constantFrom("drain", "start", "start", "pump", "pump"), {
          numRuns: 20,
          seed: seed + 10 + i,
        });
        for (const step of steps) {
          if (step === "pump") await pump.runOnce();
          else await macro.request(step as "drain" | "start", { actor: engine });
        }
      });
      await Promise.all([...askers, ...fleet]);
      const history = await wholeHistory(macroStore(clients[0]!, keys));
      expect(breaches(macroMachine, history)).toEqual([]);
      for (const { oldState, trigger, newState } of history) taken.add(`${oldState} ${trigger} ${newState}`);
    }
    expect(wanted.filter((name) => !taken.has(name))).toEqual([]);
  });
});

describe("a script that carries a transition", () => {
  test("does its work and moves the machine in one step, or neither", async () => {
    const script = loadScript(new URL("./lua/openThing-4.lua", import.meta.url), luaTables);
    const keys = freshKeys().provider("cve");
    const store = providerStore(clients[0]!, freshKeys());
    const work = `${keys.tag}:work`;
    const run = async () =>
      store.settle(
        await script.run(
          clients[0]!,
          [...providerMachineKeys(keys), work],
          [encodeRequest("open_run", { actor: engine })],
        ),
      );
    expect((await run()).kind).toBe("moved");
    expect((await run()).kind).toBe("unchanged");
    expect(await clients[0]!.get(work)).toBe("2");
    await clients[0]!.hset(keys.machine, "state", "PAUSED");
    const refused = await run();
    expect(refused).toMatchObject({ kind: "refused", state: "PAUSED", event: "open_run" });
    expect(await clients[0]!.get(work)).toBe("2");
  });
});
