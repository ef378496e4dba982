import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import { eventsOf } from "../../../src/machines/defineMachine.ts";
import { openMacroMachine } from "../../../src/machines/machineStore.ts";
import { macroMachine, providerSays } from "../../../src/machines/macroMachine.ts";
import { MacroPump, type PumpStep } from "../../../src/machines/macroPump.ts";
import { type ProviderState, providerMachine } from "../../../src/machines/providerMachine.ts";
import type { Keys } from "../../../src/redis/keys.ts";
import { oneServer, startRedis, type TestRedis } from "../../support/redisServer.ts";
import { breaches, engine, freshKeys, macroStore, person, providerStore, wholeHistory } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

const providers = ["cve", "cwe", "capec"];

const makePump = (keys: Keys, client = redis, onStep?: (step: PumpStep) => void) =>
  new MacroPump({
    redis: oneServer(client),
    keys,
    macro: openMacroMachine(keys, { redis: client, logger: silentLogger() }),
    providers,
    logger: silentLogger(),
    actor: "w-1",
    onStep,
  });

const path = async (keys: Keys): Promise<string[]> =>
  (await wholeHistory(macroStore(redis, keys))).map(({ newState }) => newState);

/** Whether a provider is held up after these states, by the docs' table. */
function isHeld(states: ProviderState[]): boolean {
  let held = false;
  for (const state of states) {
    const word = providerSays[state].held;
    if (word !== "keeps") held = word === "yes";
  }
  return held;
}

describe("the macro machine", () => {
  test("goes ORCHESTRATING with the first run, STABILIZING while any provider waits, and back when none does", async () => {
    const keys = freshKeys();
    const [cve, cwe] = [providerStore(redis, keys, "cve"), providerStore(redis, keys, "cwe")];
    const pump = makePump(keys);
    expect(await pump.runOnce()).toBe(0);
    expect(await path(keys)).toEqual([]);

    await cve.request(["open_run", "permits_granted"], { actor: engine });
    await pump.runOnce();
    expect(await path(keys)).toEqual(["ORCHESTRATING"]);

    await cve.request("back_off", { actor: engine, reason: "throttled" });
    await cwe.request("pause", { actor: person });
    await pump.runOnce();
    expect(await path(keys)).toEqual(["ORCHESTRATING", "STABILIZING"]);

    await cve.request("wait_over", { actor: engine });
    await cwe.request("resume", { actor: person });
    await pump.runOnce();
    // Both ask for permits; neither has got any yet.
    expect(await path(keys)).toEqual(["ORCHESTRATING", "STABILIZING"]);

    await cve.request("permits_granted", { actor: engine });
    await cwe.request("finish", { actor: engine });
    await pump.runOnce();
    expect(await path(keys)).toEqual(["ORCHESTRATING", "STABILIZING", "ORCHESTRATING"]);
    const [, troubled] = await wholeHistory(macroStore(redis, keys));
    expect(troubled).toMatchObject({
      machine: "macro",
      providerId: null,
      trigger: "provider_troubled",
      actor: "w-1",
      reason: "cve: RUNNING → WAITING_BACKOFF, throttled",
      details: { provider: "cve", version: 3, trigger: "back_off" },
    });
  });

  test("counts a pause from before the first run as soon as a run begins", async () => {
    const keys = freshKeys();
    await providerStore(redis, keys, "cwe").request("pause", { actor: person });
    await makePump(keys).runOnce();
    expect(await path(keys)).toEqual([]);
    await providerStore(redis, keys, "cve").request("open_run", { actor: engine });
    await makePump(keys).runOnce();
    expect(await path(keys)).toEqual(["ORCHESTRATING", "STABILIZING"]);
  });

  test("follows a provider whose server lost its last transitions alone", async () => {
    const keys = freshKeys();
    const cve = providerStore(redis, keys, "cve");
    const pump = makePump(keys);
    await cve.request(["open_run", "permits_granted"], { actor: engine });
    await pump.runOnce();
    const own = keys.provider("cve");
    const names = [own.machine, own.transitions, own.machineOutbox];
    const kept = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
    await cve.request("back_off", { actor: engine });
    await pump.runOnce();
    expect(await path(keys)).toEqual(["ORCHESTRATING", "STABILIZING"]);
    for (const [i, name] of names.entries()) await redis.restore(name, 0, kept[i]!, "REPLACE");
    expect(await pump.runOnce()).toBe(1);
    expect(await path(keys)).toEqual(["ORCHESTRATING", "STABILIZING", "ORCHESTRATING"]);
    expect(await pump.runOnce()).toBe(0);
    await cve.request("back_off", { actor: engine });
    expect(await pump.runOnce()).toBe(1);
    expect((await macroStore(redis, keys).read()).state).toBe("STABILIZING");
  });

  test("remembers what happened while it drained, and a fleet that comes back is where its providers put it", async () => {
    const keys = freshKeys();
    const cve = providerStore(redis, keys, "cve");
    await cve.request(["open_run", "permits_granted"], { actor: engine });
    const pump = makePump(keys);
    await pump.runOnce();
    const macro = macroStore(redis, keys);
    await macro.request("drain", { actor: engine });
    await cve.request("back_off", { actor: engine });
    await pump.runOnce();
    expect((await macro.read()).state).toBe("DRAINING");
    const started = await macro.request("start", { actor: engine, expect: { state: "DRAINING" } });
    expect(started).toMatchObject({
      kind: "moved",
      moves: [{ newState: "BOOTSTRAPPING" }, { newState: "ORCHESTRATING" }, { newState: "STABILIZING" }],
    });
  });
});

describe("the pump", () => {
  test.each<PumpStep>(["read", "apply", "trim"])(
    "loses and repeats nothing when its pod dies after the step '%s'",
    async (fatal) => {
      const keys = freshKeys();
      const cve = providerStore(redis, keys, "cve");
      for (let i = 0; i < 30; i++) {
        await cve.request(["open_run", "permits_granted", "permits_denied", "permits_granted", "finish"], {
          actor: engine,
        });
        const dying = makePump(keys, redis, (step) => {
          if (step === fatal) throw new Error("killed");
        });
        await expect(dying.runOnce()).rejects.toThrow("killed");
      }
      await makePump(keys).runOnce();
      const memory = await redis.hgetall(keys.macroMachine);
      expect(memory).toMatchObject({ "applied:cve": "180", "seen:cve": "TERMINATED", "held:cve": "0" });
      expect(memory.gaps).toBeUndefined();
      const round = ["STABILIZING", "ORCHESTRATING"];
      expect(await path(keys)).toEqual(["ORCHESTRATING", ...Array.from({ length: 30 }, () => round).flat()]);
      // Nothing but the event at the cursor is left.
      expect(await redis.xlen(keys.provider("cve").machineOutbox)).toBe(1);
    },
  );

  test("in many pods at once, some of them dying, applies every event of every provider once and in order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat()), async (numbers) => {
        const next = (below: number): number => (numbers.next().value as number) % below;
        const keys = freshKeys();
        const clients = Array.from({ length: 4 }, () => server.client());
        let asking = true;
        const askers = providers.map(async (name, i) => {
          const store = providerStore(clients[i]!, keys, name);
          const events = eventsOf(providerMachine);
          for (let n = 0; n < 60; n++) await store.attempt(events[next(events.length)]!, { actor: person });
        });
        const pumps = clients.map(async (client) => {
          while (asking) {
            const pump = makePump(keys, client, () => {
              if (next(9) === 0) throw new Error("killed");
            });
            await pump.runOnce().catch((error: Error) => expect(error.message).toBe("killed"));
          }
        });
        await Promise.all(askers);
        asking = false;
        await Promise.all(pumps);
        await makePump(keys).runOnce();

        const memory = await redis.hgetall(keys.macroMachine);
        expect(memory.gaps).toBeUndefined();
        let held = false;
        let began = false;
        for (const name of providers) {
          const history = await wholeHistory(providerStore(redis, keys, name));
          expect(memory[`applied:${name}`] ?? "0").toBe(String(history.length));
          expect(memory[`seen:${name}`]).toBe(history.at(-1)?.newState);
          const states = history.map(({ newState }) => newState);
          held ||= isHeld(states);
          began ||= states.some((state) => providerSays[state].active);
        }
        const macro = macroStore(redis, keys);
        expect(breaches(macroMachine, await wholeHistory(macro))).toEqual([]);
        const expected = held ? "STABILIZING" : "ORCHESTRATING";
        expect((await macro.read()).state).toBe(began ? expected : "BOOTSTRAPPING");
        for (const client of clients) client.disconnect();
      }),
      { numRuns: 12, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
    );
  });

  test("pumps by itself until it is stopped", async () => {
    const keys = freshKeys();
    let trimmed: () => void = () => undefined;
    const applied = new Promise<void>((resolve) => {
      trimmed = resolve;
    });
    const pump = new MacroPump({
      redis: oneServer(redis),
      keys,
      macro: macroStore(redis, keys),
      providers,
      logger: silentLogger(),
      actor: "w-1",
      intervalMs: 5,
      onStep: (step) => {
        if (step === "trim") trimmed();
      },
    });
    pump.start();
    await providerStore(redis, keys).request("open_run", { actor: engine });
    await applied;
    await pump.stop();
    await providerStore(redis, keys).request("finish", { actor: engine });
    expect(await redis.hget(keys.macroMachine, "seen:cve")).toBe("ACQUIRING");
  });
});
