import { describe, expect, test } from "@jest/globals";
import { RateWatch } from "../../../src/simulator/watch.ts";

describe("Watching the upstream's limits", () => {
  test("the window rolls: the sixth request in 30 s is one too many, wherever the window starts", () => {
    const watch = new RateWatch({ max: 5, windowMs: 30_000 });
    const over = [0, 10, 20, 29_000, 29_500, 29_900, 30_000, 60_100].map((at) =>
      watch.arrived(undefined, at),
    );
    // At 30,000 the one of 0 has left the window, yet the refused one of 29,900 counts.
    expect(over).toEqual([false, false, false, false, false, true, true, false]);
    expect(watch.overLimit).toBe(2);
  });

  test("a key has a limit and a window of its own", () => {
    const watch = new RateWatch({ max: 1, windowMs: 1_000, keyMax: 2 });
    expect([undefined, "k", "k", undefined, "k", "other"].map((key) => watch.arrived(key, 5))).toEqual([
      false,
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  test("counts without refusing where it only watches", () => {
    const watch = new RateWatch({ max: 0, windowMs: 1_000, enforce: false });
    expect(watch.arrived(undefined, 0)).toBe(true);
    expect(watch.enforces).toBe(false);
    expect(new RateWatch(undefined).arrived(undefined, 0)).toBe(false);
  });

  test("tells requests that come while told to wait, of that upstream only", () => {
    const watch = new RateWatch(undefined);
    watch.told("cve", 2, 1_000);
    expect(watch.tooEarly("cve", 2_999)).toBe(true);
    expect(watch.tooEarly("capec", 2_999)).toBe(false);
    expect(watch.tooEarly("cve", 3_000)).toBe(false);
    watch.told("cve", 0, 9_000);
    expect(watch.tooEarly("cve", 9_000)).toBe(false);
    expect(watch.whileToldToWait).toBe(1);
  });
});
