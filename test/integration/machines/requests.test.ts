import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { UeeError } from "../../../src/core/errors.ts";
import { eventsOf, isMove, movesOf, statesOf, stepOf } from "../../../src/machines/defineMachine.ts";
import { openProviderMachine } from "../../../src/machines/machineStore.ts";
import { macroMachine } from "../../../src/machines/macroMachine.ts";
import {
  type ProviderEvent,
  type ProviderState,
  providerMachine,
} from "../../../src/machines/providerMachine.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import {
  engine,
  freshKeys,
  macroStore,
  person,
  providerStore,
  recordingLogger,
  wholeHistory,
} from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

/** The shortest way from IDLE to each state. */
function waysTo(): Map<ProviderState, ProviderEvent[]> {
  const ways = new Map<ProviderState, ProviderEvent[]>([[providerMachine.initial, []]]);
  for (const [state, way] of ways) {
    for (const { from, event, to } of movesOf(providerMachine))
      if (from === state && !ways.has(to)) ways.set(to, [...way, event]);
  }
  return ways;
}

function targetOf(state: ProviderState, event: ProviderEvent): ProviderState {
  const step = stepOf(providerMachine, state, event);
  if (step === undefined || !isMove(step)) throw new Error(`${event} does not move ${state}`);
  return step.to;
}

describe("a request to a provider's machine", () => {
  const ways = waysTo();
  const all = statesOf(providerMachine).flatMap((state) =>
    eventsOf(providerMachine).map((event) => [state, event] as const),
  );

  test.each(all)("in %s with %s does what the table says, and nothing else", async (state, event) => {
    const store = providerStore(redis);
    for (const step of ways.get(state)!) await store.request(step, { actor: person });
    const before = await store.read();
    expect(before.state).toBe(state);
    const historyBefore = await wholeHistory(store);

    const result = await store.attempt(event, { actor: person, reason: "why" });
    const step = stepOf(providerMachine, state, event);
    const after = await store.read();
    const history = await wholeHistory(store);
    if (step === undefined) {
      expect(result).toMatchObject({ kind: "refused", why: "illegal", event, state });
    } else if (isMove(step)) {
      expect(result.kind).toBe("moved");
      const moves = step.again ? 2 : 1;
      expect(after).toMatchObject({
        state: step.again ? targetOf(step.to, event) : step.to,
        version: before.version + moves,
        trigger: event,
        reason: "why",
      });
      expect(history.at(-moves)).toMatchObject({
        oldState: state,
        newState: step.to,
        trigger: event,
        actor: "ada",
      });
      return;
    } else {
      expect(result.kind).toBe("unchanged");
    }
    expect(history).toEqual(historyBefore);
    if (step === undefined || step.stays === "keeps")
      expect({ ...after, remainingMs: 0 }).toEqual({ ...before, remainingMs: 0 });
    else expect(after).toMatchObject({ state, version: before.version, reason: "why" });
  });

  test.each(movesOf(providerMachine).filter(({ by }) => by === "person"))(
    "for $event in $from is refused to the engine, a schedule and a script",
    async ({ from, event }) => {
      const store = providerStore(redis);
      for (const step of ways.get(from)!) await store.request(step, { actor: person });
      for (const kind of ["engine", "schedule", "script"] as const) {
        const asked = store.request(event, { actor: { kind, name: "x" } });
        await expect(asked).rejects.toMatchObject({
          code: "PROV_ILLEGAL_TRANSITION",
          detail: `cve is ${from}: only a person may ask for '${event}'.`,
        });
      }
      expect((await store.read()).state).toBe(from);
    },
  );

  test("that is refused names the state and the states that would allow it", async () => {
    const store = providerStore(redis);
    const error = await store.request("resume", { actor: person }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UeeError);
    expect(error).toMatchObject({
      code: "PROV_ILLEGAL_TRANSITION",
      class: "refused",
      detail: "cve is IDLE: 'resume' is possible in PAUSED.",
      data: { machine: "provider", provider: "cve", state: "IDLE", event: "resume", allowed: ["PAUSED"] },
    });
  });

  test("of several events takes all of them or none", async () => {
    const store = providerStore(redis);
    await store.request("pause", { actor: person });
    const resumed = await store.request(["resume", "finish"], { actor: person });
    expect(resumed).toMatchObject({
      kind: "moved",
      moves: [{ newState: "ACQUIRING" }, { newState: "TERMINATED" }],
    });
    const half = await store.attempt(["open_run", "resume"], { actor: person });
    expect(half).toMatchObject({ kind: "refused", event: "resume", state: "ACQUIRING" });
    expect(await store.read()).toMatchObject({ state: "TERMINATED", version: 3 });
  });

  test("on condition of a version does nothing once the machine has moved", async () => {
    const store = providerStore(redis);
    await store.request("open_run", { actor: engine });
    const stale = await store.attempt("pause", { actor: person, expect: { version: 0 } });
    expect(stale.kind).toBe("lost");
    const other = await store.attempt("pause", { actor: person, expect: { state: "RUNNING" } });
    expect(other.kind).toBe("lost");
    const right = await store.attempt("pause", { actor: person, expect: { version: 1, state: "ACQUIRING" } });
    expect(right.kind).toBe("moved");
  });

  test("that lost the race for what it read is decided again on what is there now", async () => {
    const store = providerStore(redis);
    await store.request("open_run", { actor: engine });
    let decisions = 0;
    // All read the same version; each moves on from what is there when its turn comes, none repeats another's move.
    const decided = await Promise.all(
      Array.from({ length: 30 }, () =>
        store.decide(({ state }) => {
          decisions++;
          if (state === "RUNNING") return { events: "permits_denied", actor: engine };
          return { events: state === "WAITING_QUOTA" ? "recover" : "permits_granted", actor: engine };
        }),
      ),
    );
    expect(decided.every(({ kind }) => kind === "moved")).toBe(true);
    expect(decisions).toBeGreaterThan(30);
    expect((await store.read()).version).toBe(31);
    expect((await store.decide(() => undefined)).kind).toBe("unchanged");
  });
});

describe("a provider without permits", () => {
  test("is not moved there and back by batches that ask in vain, and works again with the first permit", async () => {
    const store = providerStore(redis);
    await store.request(["open_run", "permits_granted", "permits_denied"], { actor: engine });
    const { version } = await store.read();
    for (let batch = 0; batch < 20; batch++) {
      await store.request("wait_over", { actor: engine });
      await store.request("permits_denied", { actor: engine, reason: `${batch} ahead` });
    }
    expect(await store.read()).toMatchObject({ state: "WAITING_QUOTA", version, reason: "19 ahead" });
    const granted = await store.request("permits_granted", { actor: engine });
    expect(granted).toMatchObject({
      kind: "moved",
      moves: [
        { oldState: "WAITING_QUOTA", newState: "ACQUIRING" },
        { oldState: "ACQUIRING", newState: "RUNNING" },
      ],
    });
  });
});

describe("a wait", () => {
  test("is over by Redis' time only, and asking before changes nothing", async () => {
    const store = providerStore(redis);
    await store.request(["open_run", "permits_granted"], { actor: engine });
    await store.request("back_off", {
      actor: engine,
      reason: "throttled",
      waitMs: 60_000,
      details: { code: "PROV_THROTTLED" },
    });
    const asked = await store.request(["wait_over", "permits_granted"], { actor: engine });
    expect(asked.kind).toBe("unchanged");
    const { snapshot } = asked;
    expect(snapshot).toMatchObject({
      state: "WAITING_BACKOFF",
      reason: "throttled",
      details: { code: "PROV_THROTTLED" },
    });
    expect(snapshot.remainingMs).toBeGreaterThan(50_000);
    expect(snapshot.remainingMs).toBeLessThanOrEqual(60_000);
    expect(Date.parse(snapshot.until!) - Date.parse(snapshot.since!)).toBe(60_000);
  });

  test("ends, and the next batch goes to work in one step", async () => {
    const store = providerStore(redis);
    await store.request(["open_run", "back_off"], { actor: engine, waitMs: 1 });
    for (;;) {
      const asked = await store.request(["wait_over", "permits_granted"], { actor: engine });
      if (asked.kind === "moved") break;
      expect(asked.snapshot.remainingMs).toBeLessThanOrEqual(1);
    }
    expect(await store.read()).toMatchObject({ state: "RUNNING", until: null, remainingMs: 0 });
  });

  test("only ever grows, whichever pod's word comes last", async () => {
    const store = providerStore(redis);
    await store.request(["open_run", "back_off"], { actor: engine, waitMs: 60_000, reason: "long" });
    const { until } = await store.read();
    await store.request("back_off", { actor: engine, waitMs: 1_000, reason: "short" });
    expect(await store.read()).toMatchObject({ until, reason: "long" });
    await store.request("back_off", { actor: engine, waitMs: 120_000, reason: "longer" });
    const grown = await store.read();
    expect(grown.reason).toBe("longer");
    expect(Date.parse(grown.until!)).toBeGreaterThan(Date.parse(until!));
    expect(await wholeHistory(store)).toHaveLength(2);
  });

  test("ends at once when what was waited for is well", async () => {
    const store = providerStore(redis);
    await store.request(["open_run", "back_off"], { actor: engine, waitMs: 60_000 });
    await store.request("upstream_well", { actor: engine });
    expect(await store.read()).toMatchObject({ state: "ACQUIRING", until: null });
  });
});

describe("a pause", () => {
  test("keeps its first reason and author, and no schedule, recovery or batch ends it", async () => {
    const store = providerStore(redis);
    await store.request(["open_run", "permits_granted"], { actor: engine });
    await store.request("pause", { actor: person, reason: "the upstream moves house" });
    await store.request("pause", { actor: { kind: "person", name: "bob" }, reason: "me too" });
    await store.request("pause_on_error", { actor: engine, reason: "12 % bad" });
    for (const event of eventsOf(providerMachine)) await store.attempt(event, { actor: engine });
    expect(await store.read()).toMatchObject({
      state: "PAUSED",
      reason: "the upstream moves house",
      actor: "ada",
      actorKind: "person",
    });
  });
});

describe("a transition", () => {
  test("leaves one line in the log with every field of the contract", async () => {
    const { lines, logger } = recordingLogger();
    const keys = freshKeys();
    const store = openProviderMachine("cve", keys.provider("cve"), { redis, logger });
    const urn = "v2e::nvd::cve::CVE-2021-44228";
    await store.request("open_run", { actor: engine });
    await store.request("open_run", { actor: engine });
    await store.request("pause", {
      actor: person,
      reason: "lunch",
      facts: { urn, processed: 12, errors: 3, permits: 2 },
    });
    await store.attempt("open_run", { actor: engine });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({
      event: "fsm_transition",
      machine: "provider",
      provider_id: "cve",
      urn,
      old_state: "ACQUIRING",
      new_state: "PAUSED",
      trigger: "pause",
      actor: "ada",
      version: 2,
      processed: 12,
      errors: 3,
      permits: 2,
      reason: "lunch",
    });
  });

  test("has the calendar's date, leap days and centuries included", async () => {
    const lua = readFileSync(new URL("../../../src/machines/lua/isoTime.lua", import.meta.url), "utf8");
    const days = fc.integer({ min: 0, max: 253_402_300_799_999 });
    const edges = ["1970-01-01", "2000-02-29", "2023-12-31", "2024-02-29", "2100-03-01", "9999-12-31"];
    const times = [...fc.sample(days, { numRuns: 3_000, seed: 7 }), ...edges.map((day) => Date.parse(day))];
    const script = `${lua}\nlocal told = {}\nfor i, ms in ipairs(ARGV) do told[i] = isoTime(tonumber(ms)) end\nreturn told`;
    const told = await redis.eval(script, 0, ...times);
    expect(told).toEqual(times.map((ms) => new Date(ms).toISOString()));
  });

  test("is dated by Redis' time", async () => {
    const store = providerStore(redis);
    await store.request("open_run", { actor: engine });
    const [seconds] = await redis.time();
    const { since, createdAt, updatedAt } = await store.read();
    expect(new Date(since!).toISOString()).toBe(since);
    expect(Math.abs(Date.parse(since!) - Number(seconds) * 1000)).toBeLessThan(60_000);
    expect([createdAt, updatedAt]).toEqual([since, since]);
  });

  test("by a newer version into a state unknown here is left alone", async () => {
    const keys = freshKeys();
    const store = providerStore(redis, keys);
    await redis.hset(keys.provider("cve").machine, { state: "MIGRATING", version: 9 });
    const asked = await store.attempt("pause", { actor: person });
    expect(asked).toMatchObject({ kind: "refused", state: "MIGRATING" });
  });
});

describe("the history", () => {
  test("is bounded, and read newest first, page by page, without gap or repetition", async () => {
    const store = providerStore(redis, freshKeys(), "cve", 200);
    await store.request("open_run", { actor: engine });
    for (let i = 0; i < 400; i++) {
      await store.request(["permits_granted", "recover"], { actor: engine });
    }
    const history = await wholeHistory(store);
    // Redis trims by whole nodes of 100 entries.
    expect(history.length).toBeLessThanOrEqual(300);
    expect(history.length).toBeGreaterThanOrEqual(200);
    expect(history.map(({ version }) => version)).toEqual(
      history.map((_, i) => 801 - history.length + 1 + i),
    );
    const newest = await store.history({ limit: 3 });
    expect(newest.entries.map(({ version }) => version)).toEqual([801, 800, 799]);
  });
});

describe("the macro machine", () => {
  test("takes the fleet's own transitions and refuses what is not in its table", async () => {
    const store = macroStore(redis);
    expect((await store.request("start", { actor: engine })).kind).toBe("unchanged");
    expect((await store.request("drain", { actor: engine })).snapshot.state).toBe("DRAINING");
    expect((await store.request("drain", { actor: engine })).kind).toBe("unchanged");
    for (const event of eventsOf(macroMachine).filter((name) => name.startsWith("provider"))) {
      const asked = store.request(event, { actor: engine });
      await expect(asked).rejects.toMatchObject({
        code: "PROV_ILLEGAL_TRANSITION",
        data: { machine: "macro" },
      });
    }
    expect((await store.request("start", { actor: engine })).snapshot.state).toBe("BOOTSTRAPPING");
  });
});
