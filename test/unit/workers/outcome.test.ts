import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import { backoffMs, outcomeOf } from "../../../src/workers/outcome.ts";

const first = { made: 0, allowed: 8 };
const last = { made: 7, allowed: 8 };

describe("a batch that failed", () => {
  test.each(["PROV_THROTTLED", "PROV_OVERLOADED", "SYS_REDIS_TROUBLE", "SYS_SHUTDOWN"] as const)(
    "goes back without spending an attempt on %s, however often",
    (code) => {
      expect(outcomeOf(new UeeError(code), last).kind).toBe("defer");
    },
  );

  test("waits at least as long as the upstream said", () => {
    const outcome = outcomeOf(new UeeError("PROV_THROTTLED", "wait", { retryAfterMs: 30_000 }), first);
    expect(outcome).toMatchObject({ kind: "defer" });
    expect((outcome as { delayMs: number }).delayMs).toBeGreaterThanOrEqual(30_000);
  });

  test("spends an attempt on what may pass, and gives up with the last", () => {
    expect(outcomeOf(new UeeError("PROV_TRUNCATED"), first).kind).toBe("retry");
    expect(outcomeOf(new UeeError("PROV_TRUNCATED"), last).kind).toBe("dead");
    expect(outcomeOf(new TypeError("a bug"), last)).toMatchObject({
      kind: "dead",
      error: { code: "SYS_INTERNAL" },
    });
  });

  test("fails its run at once when the configuration is wrong", () => {
    expect(outcomeOf(new UeeError("PROV_BAD_KEY"), first).kind).toBe("fatal");
  });

  test("asks a few times more where a bare 404 may be a passing lie", () => {
    expect(outcomeOf(new UeeError("PROV_NOT_FOUND"), first).kind).toBe("retry");
    expect(outcomeOf(new UeeError("PROV_NOT_FOUND"), { made: 4, allowed: 8 }).kind).toBe("fatal");
  });

  test("says which of how many attempts failed", () => {
    const of = (code: "PROV_TRUNCATED" | "PROV_NOT_FOUND", made: number) =>
      outcomeOf(new UeeError(code), { made, allowed: 8 });
    expect(of("PROV_TRUNCATED", 2)).toMatchObject({ attempt: 3, attempts: 8 });
    expect(of("PROV_NOT_FOUND", 2)).toMatchObject({ attempt: 3, attempts: 5 });
  });

  test("says nothing to the queue when another attempt has it", () => {
    expect(outcomeOf(new UeeError("STOR_FENCED"), first).kind).toBe("abandon");
    expect(outcomeOf(new UeeError("RPC_LOCK_LOST"), first).kind).toBe("abandon");
  });

  test("comes again after exponentially growing, jittered waits that the scale multiplies", () => {
    const most = [1, 2, 3, 8].map((made) => backoffMs(made, 1, () => 1));
    const least = [1, 2, 3, 8].map((made) => backoffMs(made, 1, () => 0));
    expect(most).toEqual([1000, 2000, 4000, 60_000]);
    expect(least).toEqual([500, 1000, 2000, 30_000]);
    expect(backoffMs(3, 0.01, () => 1)).toBe(40);
  });
});
