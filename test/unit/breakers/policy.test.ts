import { describe, expect, test } from "@jest/globals";
import { breakerPolicy, classify, openMs, scaled } from "../../../src/breakers/policy.ts";
import { type ErrorCode, UeeError } from "../../../src/core/errors.ts";

const seconds = (failedProbes: number, random: number): number =>
  openMs(breakerPolicy, failedProbes, () => random) / 1_000;

describe("how long a breaker stays open", () => {
  test("is 30 s at first, twice as long after each probe that fails, and never more than ten minutes", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 60, 5_000].map((failed) => Math.round(seconds(failed, 0)))).toEqual([
      30, 60, 120, 240, 480, 500, 500, 500, 500, 500,
    ]);
    expect([0, 1, 4, 5, 60].map((failed) => Math.round(seconds(failed, 1)))).toEqual([36, 72, 576, 600, 600]);
  });

  test("is drawn out at random, at its longest too, so that several mirrors do not probe in step", () => {
    for (const failed of [0, 3, 40]) expect(seconds(failed, 0.9)).toBeGreaterThan(seconds(failed, 0.1));
  });

  test("shrinks with UEE_WAIT_SCALE, and with it all other waits; the threshold does not", () => {
    const tiny = scaled(breakerPolicy, 0.001);
    expect(openMs(tiny, 0, () => 0)).toBe(30);
    expect(openMs(tiny, 100, () => 1)).toBe(600);
    expect(tiny.pauseMs).toBe(breakerPolicy.pauseMs / 1_000);
    expect(tiny.probingMs).toBe(breakerPolicy.probingMs / 1_000);
    expect(tiny.threshold).toBe(5);
  });
});

describe("what a failed call counts as", () => {
  const failures: ErrorCode[] = [
    "PROV_CONNECTION",
    "PROV_STALLED",
    "PROV_TIMEOUT",
    "PROV_OVERLOADED",
    "PROV_TRUNCATED",
    "PROV_BAD_ENCODING",
    "PROV_HTML",
    "PROV_BODY_TOO_LARGE",
    "PROV_WRONG_SHAPE",
  ];
  const nothings: ErrorCode[] = [
    "PROV_THROTTLED",
    "PROV_RATE_WAIT",
    "PROV_FORBIDDEN",
    "PROV_TLS",
    "PROV_BAD_KEY",
    "PROV_BAD_REQUEST",
    "PROV_NOT_FOUND",
    "PROV_REDIRECTS",
    "PROV_PAGE_CAP",
    "PROV_PAGE_TOO_LARGE",
    "PROV_PAUSED",
    "PROV_CIRCUIT_OPEN",
    "SYS_SHUTDOWN",
    "SYS_REDIS_UNREACHABLE",
    "SYS_FLEET_DISAGREES",
    "RPC_LOCK_LOST",
    "PERM_REVOKED",
  ];

  test.each(failures)("%s is the upstream's failure", (code) => {
    expect(classify(new UeeError(code))).toBe("failure");
  });
  test.each(nothings)("%s says nothing of the upstream's health", (code) => {
    expect(classify(new UeeError(code))).toBe("nothing");
  });
  test("an overload that names the time to come again is a throttle in other words", () => {
    expect(classify(new UeeError("PROV_OVERLOADED", undefined, { data: { toldToWait: true } }))).toBe(
      "nothing",
    );
  });
});
