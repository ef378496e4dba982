/**
 * Random histories: pods that call, fail, die with a token in hand, sleep, come late; a person who resets; time that passes.
 * Whatever happens, transitions are legal and unbroken, one call probes at a time, nothing goes through an open breaker, and
 * only what began under the present version moves anything.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { BreakerStore } from "../../../src/breakers/breakerStore.ts";
import type { BreakerTransition } from "../../../src/breakers/report.ts";
import { type BreakerEvent, breakerMachine } from "../../../src/machines/breakerMachine.ts";
import { isMove, stepOf } from "../../../src/machines/defineMachine.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { ageOpening, ageProbe, freshUpstream, keysOf } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

type Step =
  | { do: "call"; pod: number }
  | { do: "end"; call: number; outcome: "success" | "failure" | "nothing" }
  | { do: "time passes" | "reset" };

const outcome = (...of: ("success" | "failure" | "nothing")[]) => fc.constantFrom(...of);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("call" as const), pod: fc.nat(2) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      // Mostly the newest call, sometimes a late one, or one that has ended before.
      call: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) }),
      outcome: outcome("failure", "failure", "failure", "failure", "success", "nothing"),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: "time passes" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "reset" as const }) },
);

interface LiveCall {
  version: number;
  token: string | undefined;
}

/** What a breaker of threshold 3 must be, from the definitions alone. */
class Model {
  state: "closed" | "open" | "half_open" = "closed";
  version = 0;
  failures = 0;
  failedProbes = 0;
  token: string | undefined;
  due = false;
  leased = false;

  move(state: Model["state"]): void {
    this.state = state;
    this.version++;
    this.due = false;
    if (state !== "half_open") this.token = undefined;
    if (state === "closed") this.failures = this.failedProbes = 0;
  }

  admit(token: string): "pass" | "probe" | "refused" {
    if (this.state === "closed") return "pass";
    if (this.state === "half_open" && !this.leased) this.move("open");
    else if (this.state === "half_open" || !this.due) return "refused";
    this.move("half_open");
    this.token = token;
    this.leased = true;
    return "probe";
  }

  end(call: LiveCall, outcome: "success" | "failure" | "nothing"): void {
    if (call.version !== this.version || (this.state === "half_open" && call.token !== this.token)) return;
    if (outcome === "failure") this.failures++;
    if (this.state === "closed") {
      if (outcome === "success") this.failures = 0;
      if (this.failures >= 3) this.move("open");
      return;
    }
    if (outcome === "failure") this.failedProbes++;
    this.move(outcome === "success" ? "closed" : "open");
  }
}

async function play(steps: Step[]): Promise<void> {
  const upstream = freshUpstream();
  const stores = ["a", "b", "c"].map(
    (actor) => new BreakerStore({ upstream, redis, keys: keysOf(upstream), actor }),
  );
  const calls: LiveCall[] = [];
  const model = new Model();
  let tokens = 0;
  for (const one of steps) {
    if (one.do === "call") {
      const store = stores[one.pod]!;
      const token = `t${++tokens}`;
      let said = await store.admit({ mode: "call" });
      if (said.verdict === "due") said = await store.admit({ mode: "probe", token, leaseMs: 3_600_000 });
      expect(said.verdict).toBe(model.admit(token));
      if (said.verdict !== "refused") {
        calls.push({ version: said.view.version, token: said.verdict === "probe" ? token : undefined });
      }
    } else if (one.do === "end") {
      // Any call that was ever made, also one that has ended before: answers may be told twice.
      const call = calls.at(-1 - one.call);
      if (!call) continue;
      await stores[0]!.report({
        ...{ version: call.version, token: call.token, outcome: one.outcome },
        ...{ code: "PROV_CONNECTION", message: "x", threshold: 3, openMs: 3_600_000, pauseMs: 3_600_000 },
      });
      model.end(call, one.outcome);
    } else if (one.do === "time passes") {
      if (model.state === "open") {
        await ageOpening(redis, upstream);
        model.due = true;
      } else if (model.state === "half_open") {
        await ageProbe(redis, upstream);
        model.leased = false;
      }
    } else {
      const { version } = await stores[1]!.view();
      await stores[1]!.reset(version, { actor: "ann" });
      if (model.state !== "closed") model.move("closed");
    }
    const view = await stores[2]!.view();
    expect({ ...view, failures: view.consecutiveFailures }).toMatchObject({
      ...{ state: model.state, version: model.version, failures: model.failures },
      failedProbes: model.failedProbes,
    });
  }
  check((await stores[0]!.transitions({ limit: 1_000 })).entries.reverse());
}

const met = new Set<string>();

function check(history: BreakerTransition[]): void {
  let state = "closed";
  for (const [i, { oldState, newState, trigger, version }] of history.entries()) {
    expect([oldState, version]).toEqual([state, i + 1]);
    const step = stepOf(breakerMachine, oldState, trigger);
    expect(step && isMove(step) ? step.to : undefined).toBe(newState);
    met.add(`${oldState} ${trigger}`);
    state = newState;
  }
}

test("no history breaks the breaker's rules, and all its transitions are met", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 100 }), play), {
    numRuns: 150,
  });
  const legal = (["closed", "open", "half_open"] as const).flatMap((state) =>
    (Object.keys(breakerMachine.events) as BreakerEvent[])
      .filter((event) => {
        const found = stepOf(breakerMachine, state, event);
        return found !== undefined && isMove(found);
      })
      .map((event) => `${state} ${event}`),
  );
  expect([...met].sort()).toEqual(legal.sort());
});
