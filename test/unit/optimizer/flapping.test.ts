import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { decide, giveBackStep } from "../../../src/permits/optimizer/decide.ts";
import { broken, calm, full, type Signal, settings, simulate, slow } from "./simulation.ts";

const CHECKS_TO_FULL_SIZE = 16;
const sizes = Array.from({ length: 50 }, (_, i) => i + 1);

/** How often the pool turned from shrinking to growing or back in a row of decisions. */
const turns = (kinds: string[]): number =>
  kinds.filter((kind) => kind !== "hold").filter((kind, i, all) => i > 0 && kind !== all[i - 1]).length;

describe("the optimizer does not flap", () => {
  test.each([
    ["latency", slow],
    ["saturation", full],
  ])("a single spike of %s revokes nothing, wherever it falls and however often", (_, spike) => {
    for (let gap = 2; gap <= 30; gap++) {
      const run = simulate(200, (i) => (i % gap === 0 ? spike : calm));
      expect(run.revocations).toEqual([]);
      expect(run.returns).toEqual([]);
    }
  });

  test("square waves of every period and phase revoke at most once per cool-down", () => {
    for (let half = 1; half <= 40; half++) {
      for (let phase = 0; phase < half * 2; phase += Math.max(1, Math.floor(half / 4))) {
        const run = simulate(400, (i) => (Math.floor((i + phase) / half) % 2 === 0 ? slow : calm));
        expect(broken(run, 10)).toEqual([]);
        if (half === 1) expect(run.revocations).toEqual([]);
        else expect(run.revocations.length).toBeGreaterThan(0);
      }
    }
  });

  test("a square wave turns the pool at most twice a period", () => {
    for (let half = 2; half <= 40; half++) {
      const run = simulate(half * 20, (i) => (Math.floor(i / half) % 2 === 0 ? slow : calm));
      expect(turns(run.checks.map(({ decision }) => decision.kind))).toBeLessThanOrEqual(20);
    }
  });

  test("a sawtooth revokes only in its upper part, once per cool-down", () => {
    for (let period = 3; period <= 60; period++) {
      const height = (i: number) => (60 * (i % period)) / period;
      const run = simulate(600, (i) => ({ p99Ms: height(i) }));
      expect(broken(run, 10)).toEqual([]);
      for (const { at } of run.revocations) {
        expect(height((at - 1_000_000) / settings.intervalMs - 1)).toBeGreaterThan(settings.p99LimitMs);
      }
    }
  });

  test("noise around the threshold keeps to the cool-down and never leaves the bounds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 25, max: 35, noNaN: true }), { minLength: 50, maxLength: 400 }),
        (noise) => {
          expect(
            broken(
              simulate(noise.length, (i) => ({ p99Ms: noise[i] })),
              10,
            ),
          ).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a slow drift over the threshold and back shrinks step by step, then grows to full size, once", () => {
    const drift = (i: number): Signal => ({ p99Ms: i < 200 ? i * 0.2 : 80 - i * 0.2 });
    const run = simulate(400, drift);
    const kinds = run.checks.map(({ decision }) => decision.kind);
    expect(broken(run, 10)).toEqual([]);
    expect(run.revocations.length).toBeGreaterThan(3);
    expect(turns(kinds)).toBe(1);
    expect(run.checks.at(-1)?.effectiveAfter).toBe(10);
  });

  test("a fleet whose latency depends on its permits settles, one revocation per cool-down at most", () => {
    // More than six permits are too many for this Redis.
    const run = simulate(1_000, (_, { effective }) => ({ p99Ms: effective > 6 ? 50 : 10 }));
    expect(broken(run, 10)).toEqual([]);
    const settled = run.checks.slice(50).map(({ effectiveAfter }) => effectiveAfter);
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...settled)).toBeLessThanOrEqual(7);
  });

  test("no signal whatever, at any size, breaks a promise, even with late checks", () => {
    const signal = fc.record({
      p99Ms: fc.oneof(fc.constantFrom(0, 30, 30.01, 500), fc.double({ min: 0, max: 60, noNaN: true })),
      saturation: fc.oneof(fc.constantFrom(0, 0.8, 0.81, 1.4), fc.double({ min: 0, max: 1, noNaN: true })),
      freshP99Ms: fc.constantFrom<(number | null | undefined)[]>(undefined, undefined, null, 5, 80),
    });
    fc.assert(
      fc.property(
        fc.array(signal, { minLength: 20, maxLength: 300 }),
        fc.constantFrom(...sizes),
        fc.nat({ max: 60 }),
        fc.array(fc.nat({ max: 900 }), { minLength: 300, maxLength: 300 }),
        (signals, size, held, late) => {
          const run = simulate(signals.length, (i) => signals[i]!, { size, held, drift: (i) => late[i]! });
          expect(broken(run, size)).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("the optimizer gives back", () => {
  test(`the full size within ${CHECKS_TO_FULL_SIZE} healthy checks, whatever the size and however much was revoked`, () => {
    let longest = 0;
    for (const size of sizes) {
      for (let bad = 2; bad <= 120; bad++) {
        const run = simulate(bad + CHECKS_TO_FULL_SIZE, (i) => (i < bad ? slow : calm), { size });
        const needed = run.checks.slice(bad).findIndex(({ effectiveAfter }) => effectiveAfter === size) + 1;
        expect(needed).toBeGreaterThan(0);
        if (run.checks[bad - 1]!.effectiveAfter < size) longest = Math.max(longest, needed);
      }
    }
    expect(longest).toBeLessThanOrEqual(CHECKS_TO_FULL_SIZE);
    // The figure is not a loose one.
    expect(longest).toBeGreaterThanOrEqual(CHECKS_TO_FULL_SIZE - 2);
  });

  test("10 % of the configured size, rounded up, free of floating point's dust", () => {
    const steps = [1, 9, 10, 11, 30, 70, 71, 1_000].map((size) => giveBackStep(size, settings));
    expect(steps).toEqual([1, 1, 1, 2, 3, 7, 8, 100]);
  });

  test("additively: the same number by every healthy check", () => {
    for (const size of sizes) {
      const run = simulate(200, (i) => (i < 100 ? slow : calm), { size });
      const step = giveBackStep(size, settings);
      const given = run.returns.map(({ decision }) => decision.permits);
      expect(given.slice(0, -1).every((permits) => permits === step)).toBe(true);
      if (size > 1) expect(given.at(-1)).toBeLessThanOrEqual(step);
    }
  });
});

describe("the optimizer revokes", () => {
  test("20 % of what is allocated, at least one, at the second breach in a row", () => {
    for (const [held, permits] of [
      [50, 10],
      [19, 3],
      [10, 2],
      [9, 1],
      [2, 1],
    ] as const) {
      const run = simulate(2, () => slow, { size: 50, held });
      expect(run.checks[0]?.decision).toMatchObject({ kind: "hold", healthy: false });
      expect(run.checks[1]?.decision).toMatchObject({ kind: "revoke", permits });
      expect(run.checks[1]?.effectiveAfter).toBe(held - permits);
    }
  });

  test("never the last permit, and nothing of nothing", () => {
    for (const held of [0, 1]) expect(simulate(50, () => slow, { size: 10, held }).revocations).toEqual([]);
    expect(simulate(300, () => slow).checks.at(-1)?.effectiveAfter).toBe(1);
  });

  test("with figures and reason", () => {
    const both: Signal = { p99Ms: 41.23, saturation: 0.912 };
    expect(simulate(2, () => both).checks[1]?.decision.reason).toBe(
      "p99 41.2 ms > 30 ms and buffers 91 % full > 80 %, 2 in a row: 2 of 10 revoked",
    );
  });

  test("not for one slow moment that stays among the last 1,000 operations of a fleet that does little", () => {
    const stale = (i: number): Signal => ({ p99Ms: 90, freshP99Ms: i === 3 ? 90 : i % 2 === 0 ? 2 : null });
    expect(simulate(40, stale).revocations).toEqual([]);
  });
});

describe("a check", () => {
  const sight = {
    p99Ms: 90,
    freshP99Ms: 90,
    saturation: 0,
    pool: { size: 10, effective: 10, allocated: 10 },
  };
  const remembered = { breaches: 1, coolUntilMs: 0, checkedAtMs: 100_000 };

  test("right after another one does not count", () => {
    expect(decide(remembered, { ...sight, nowMs: 103_999 }, settings)).toBeUndefined();
    expect(decide(remembered, { ...sight, nowMs: 104_000 }, settings)?.decision.kind).toBe("revoke");
  });

  test("long after the last one is not in a row with it", () => {
    expect(decide(remembered, { ...sight, nowMs: 115_000 }, settings)?.decision.kind).toBe("revoke");
    expect(decide(remembered, { ...sight, nowMs: 115_001 }, settings)?.decision.kind).toBe("hold");
  });

  test("by a Redis whose clock is behind neither counts on nor waits longer than one cool-down", () => {
    const ahead = { breaches: 5, coolUntilMs: 9_000_000, checkedAtMs: 8_990_000 };
    const checked = decide(ahead, { ...sight, nowMs: 100_000 }, settings);
    expect(checked?.memory).toMatchObject({ breaches: 1, coolUntilMs: 130_000, checkedAtMs: 100_000 });
  });
});

describe("docs/optimizer.md", () => {
  test("states the figures that are in force", () => {
    const page = readFileSync(new URL("../../../docs/optimizer.md", import.meta.url), "utf8");
    const stated = Object.fromEntries(
      [...page.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(stated).toMatchObject({
      "between two checks": `${settings.intervalMs / 1000} s`,
      "latency is a breach above": `${settings.p99LimitMs} ms`,
      "saturation is a breach above": `${settings.saturationLimit * 100} %`,
      "breaches in a row before anything is revoked": `${settings.breachesToRevoke}`,
      revoked: `${settings.revokeShare * 100} % of what is allocated, rounded down, at least 1`,
      "cool-down after a revocation": `${settings.coolDownMs / 1000} s`,
      "given back by every healthy check after the cool-down": `${settings.giveBackShare * 100} % of the configured size, rounded up, at least 1`,
      "full size again after a revocation, at the latest": `${CHECKS_TO_FULL_SIZE} healthy checks in a row`,
    });
  });
});
