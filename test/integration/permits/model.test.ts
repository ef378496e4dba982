/**
 * The pool's scripts against a reference model, on a real Redis: random steps of random clients, every reply and the whole
 * state compared. UEE_PERMIT_OPS sets how many steps (default 4,000; 200,000 take some minutes).
 *
 * Time is aged, not waited for: age-1.lua moves every time that the pool remembers back by whole ticks. A lease lives
 * 10.5 ticks and so on, so that what real time adds within one history never decides what has ended.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { makePoolScripts, type PoolScripts } from "../../../src/permits/poolScripts.ts";
import { readAudit } from "../../../src/permits/report.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { loadScript } from "../../../src/redis/scripts.ts";
import { checkPermitLog, readPermitLog } from "../../support/permitChecker.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { type Moment, PermitModel } from "./referenceModel.ts";

const steps = Number(process.env.UEE_PERMIT_OPS ?? 4_000);
const perHistory = 100;
jest.setTimeout(60_000 + steps * 10);

const tickMs = 100_000;
const times = { leaseMs: 10.5 * tickMs, graceMs: 6.5 * tickMs, waiterMs: 2.5 * tickMs };
const modelTimes = { life: times.leaseMs * 1000, grace: times.graceMs * 1000, stay: times.waiterMs * 1000 };
const ageScript = loadScript(new URL("./age-1.lua", import.meta.url));
const keys = makeKeys("model").permits;

const provider = fc.constantFrom("attack", "capec", "cve", "cwe");
const lease = fc.integer({ min: 1, max: 20 }).map((n) => `lease-${n}`);
const actor = fc.constant("test");
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("acquire" as const),
      lease,
      provider,
      waiter: fc.integer({ min: 1, max: 6 }),
      instead: fc.option(lease, { freq: 2 }),
      stale: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("renew" as const),
      lease,
      stale: fc.boolean(),
    }),
  },
  // What a client does that crashed: nothing. What one does that slept: release, late, under the fence that it had.
  {
    weight: 7,
    arbitrary: fc.record({ do: fc.constant("release" as const), lease, stale: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("leave" as const),
      provider,
      waiter: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("age" as const), ticks: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("jump" as const), ms: fc.integer({ min: -1e9, max: 1e9 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("resize" as const, "revoke" as const, "restore" as const),
      value: fc.integer({ min: 1, max: 14 }),
      actor,
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let server: TestRedis;
let redis: Redis;
let scripts: PoolScripts;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  scripts = makePoolScripts({ redis, keys, logLength: 1e6, size: 10, cleanStopKey: "model:none", ...times });
});
afterAll(() => server.stop());

/** A provider's packed numbers, in the order of formats.lua. */
async function numbersOf(p: string): Promise<number[]> {
  const packed = (await redis.hgetBuffer(keys.pool, `p:${p}`)) ?? Buffer.alloc(64);
  return Array.from({ length: 8 }, (_, i) => packed.readDoubleLE(i * 8));
}

/** One history: the store and the model side by side. */
class History {
  readonly model = new PermitModel(10, modelTimes);
  /** µs by which the pool was aged so far. */
  aged = 0;
  /** Every fence that a client was ever given, by lease. */
  readonly fences = new Map<string, number[]>();
  done: Record<string, number> = {};

  moment(nowUs: number): Moment {
    return { time: nowUs + this.aged, real: nowUs };
  }

  async run(what: Step): Promise<void> {
    this.done[what.do] = (this.done[what.do] ?? 0) + 1;
    if (what.do === "age") {
      const by = what.ticks * tickMs * 1000;
      this.aged += by;
      await ageScript.run(redis, [keys.pool], [by]);
    } else if (what.do === "jump") {
      const real = Date.now.bind(Date);
      jest.spyOn(Date, "now").mockImplementation(() => real() + what.ms);
    } else if (what.do === "acquire") {
      const waiter = `w${what.waiter}`;
      const args = { lease: what.lease, waiter };
      const instead =
        what.instead === null
          ? undefined
          : { lease: what.instead, fence: this.fence(what.instead, what.stale) };
      const asked = { ...args, provider: what.provider, owner: "a|b" };
      const { nowUs, ...reply } = await scripts.acquire(asked, instead);
      const expected = this.model.acquire({ ...args, instead, p: what.provider }, this.moment(nowUs));
      expect(reply).toMatchObject(expected);
      if (reply.granted) this.fences.set(what.lease, [...(this.fences.get(what.lease) ?? []), reply.fence]);
    } else if (what.do === "renew") {
      const fence = this.fence(what.lease, what.stale);
      const { nowUs, ...reply } = await scripts.renew({ lease: what.lease, fence });
      expect(reply).toEqual(this.model.renew(what.lease, fence, this.moment(nowUs)));
    } else if (what.do === "release") {
      const fence = this.fence(what.lease, what.stale);
      const { nowUs, given } = await scripts.release({ lease: what.lease, fence });
      expect({ given }).toEqual(this.model.release(what.lease, fence, this.moment(nowUs)));
    } else if (what.do === "leave") {
      const place = { lease: "none", provider: what.provider, waiter: `w${what.waiter}` };
      const { nowUs, left } = await scripts.release(place);
      expect({ left }).toEqual(this.model.leave(what.provider, `w${what.waiter}`, this.moment(nowUs)));
    } else {
      const { nowUs, ...reply } = await scripts.govern(what.do, what.value, what.actor, "");
      expect(reply).toEqual(this.model.govern(what.do, what.value, this.moment(nowUs)));
    }
  }

  /** The newest fence that a client has for the lease, or the oldest: that of one who slept. */
  fence(name: string, stale: boolean): number {
    const given = this.fences.get(name) ?? [];
    return (stale ? given[0] : given.at(-1)) ?? 0;
  }

  async compareState(): Promise<void> {
    const [reply, leases, members] = await Promise.all([
      scripts.show(0) as Promise<string[][]>,
      redis.hgetall(keys.leases),
      redis.zrange(keys.waiters, "0", "-1"),
    ]);
    const { model } = this;
    const [, pool, providers] = reply as [unknown, string[], string[]];
    const number = (field: string): number => Number(pool[pool.indexOf(field) + 1]);
    const stored = Object.entries(leases).map(([name, facts]) => {
      const [deadline, , p, fence, since, asked, grace] = facts.split("|");
      const back = (us?: string): number => (Number(us) > 0 ? Number(us) + this.aged : 0);
      return {
        ...{ lease: name, p, fence: Number(fence), since: back(since) },
        ...{ asked: asked === "1", grace: back(grace), deadline: back(deadline) },
      };
    });
    const byLease = (a: { lease: string }, b: { lease: string }): number => (a.lease < b.lease ? -1 : 1);
    expect(stored.sort(byLease)).toEqual([...model.leases].sort(byLease));
    const queues = [...model.providers.keys()].sort().flatMap((p) => model.queue(p));
    expect(members.map((m) => m.split("|"))).toEqual(
      queues.map((w) => [w.p, expect.any(String), "1", "1", expect.any(String), w.waiter]),
    );
    expect({ size: number("size") || 10, taken: number("taken"), used: number("used") }).toEqual({
      size: model.size,
      taken: model.taken,
      used: model.used,
    });
    expect([number("marked"), number("waiting")]).toEqual([model.marked, model.waiters.length]);
    for (const [p, known] of model.providers) {
      const [use, marked, queue] = providers.slice(providers.indexOf(p) + 1).map(Number);
      expect([p, use, marked, queue]).toEqual([p, model.use(p), model.markedOf(p), model.queue(p).length]);
      const [, , , , , pass, , hold] = await numbersOf(p);
      expect([p, pass, hold]).toEqual([p, known.pass, known.hold]);
    }
  }
}

describe("the permit pool", () => {
  test(`does as the reference model does, whatever ${steps} random steps its clients take`, async () => {
    const total: Record<string, number> = {};
    let taken = 0;
    let lapsed = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: perHistory, maxLength: perHistory, size: "max" }),
        async (plan) => {
          await redis.flushall();
          const history = new History();
          for (const [index, what] of plan.entries()) {
            await history.run(what);
            if (index % 5 === 4) await history.compareState();
          }
          jest.restoreAllMocks();
          taken += plan.length;
          for (const [name, count] of Object.entries(history.done)) total[name] = (total[name] ?? 0) + count;
          expect(readAudit(await scripts.audit(false, "test"), false).findings).toEqual([]);
          const log = readPermitLog(await redis.xrange(keys.log, "-", "+"));
          const verdict = checkPermitLog(log, modelTimes.life + modelTimes.grace + 1e6);
          expect(verdict.violations).toEqual([]);
          lapsed += verdict.lapsed;
        },
      ),
      { numRuns: Math.ceil(steps / perHistory), endOnFailure: false },
    );
    jest.restoreAllMocks();
    expect(taken).toBeGreaterThanOrEqual(steps);
    // Not by doing next to nothing.
    expect(lapsed).toBeGreaterThan(steps / 100);
    expect(Object.keys(total).sort()).toEqual(
      ["acquire", "age", "jump", "leave", "release", "renew", "resize", "restore", "revoke"].sort(),
    );
  });
});
