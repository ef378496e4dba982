/**
 * Law 4 where Redis goes away in the middle of an admission: a permit that was granted to a batch which then cannot begin is
 * given back. Nothing else would do so: its holder renews it for as long as the process lives. (Found by a hunt: a failover right
 * after a grant left a pool of one standing still.)
 */
import { expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { PermitPool, PermitRequest, PermitWait } from "../../../src/permits/permitPool.ts";
import { Governor, type GovernorOptions } from "../../../src/workers/governor.ts";

/** A governor whose pool grants at once, and whose machine cannot be told of it when `trouble` says so. */
function makeGovernor(
  trouble: Error | undefined,
  wait?: PermitWait,
): {
  governor: Governor;
  given: string[];
  granted: string[];
} {
  const given: string[] = [];
  const granted: string[] = [];
  const pool = {
    leaseMs: 12_000,
    graceMs: 12_000,
    monotonic: () => performance.now(),
    logger: silentLogger(),
    acquire: async ({ lease, provider }: PermitRequest) => {
      if (wait) return wait;
      granted.push(lease);
      const deadline = performance.now() + 12_000;
      const now = { waiting: false, mayKeep: true, graceMs: 0, expiresAt: Date.now() + 12_000 };
      return { ...now, lease, provider, fence: 1, deadline };
    },
    show: async () => ({ providers: [], allocated: 3, effective: 3 }),
    giveBack: ({ lease }: { lease: string }) => given.push(lease),
  };
  const machine = {
    attempt: async (event: string) => {
      if (event === "permits_granted" && trouble) throw trouble;
      return { kind: "unchanged", snapshot: { state: "ACQUIRING", remainingMs: 0 } };
    },
  };
  const options = {
    provider: "cve",
    machine,
    pool: pool as unknown as PermitPool,
    limits: { rate: 0.1, minimum: 200 },
    logger: silentLogger(),
  };
  return { governor: new Governor(options as unknown as GovernorOptions), given, granted };
}

test("a permit is given back when Redis goes away between its grant and the batch's beginning", async () => {
  const { governor, given, granted } = makeGovernor(new UeeError("SYS_REDIS_UNREACHABLE"));
  await expect(governor.admit("cve-run", new AbortController().signal)).rejects.toMatchObject({
    code: "SYS_REDIS_UNREACHABLE",
  });
  expect(granted).toHaveLength(1);
  expect(given).toEqual(granted);
});

test("a permit that was granted and told stays with its batch", async () => {
  const { governor, given, granted } = makeGovernor(undefined);
  const permit = await governor.admit("cve-run", new AbortController().signal);
  expect(granted).toHaveLength(1);
  expect(given).toEqual([]);
  if (!(permit instanceof UeeError)) permit.release();
  expect(given).toEqual(granted);
});

test("a batch that gets no permit in time goes back, and spends no attempt", async () => {
  const { governor, granted } = makeGovernor(undefined, {
    ...{ waiting: true, ahead: 2, reason: "full", retryAfterMs: 900 },
  });
  const got = await governor.admit("run", new AbortController().signal);
  expect(got).toMatchObject({ code: "PERM_NONE_FREE", class: "deferred" });
  expect(granted).toEqual([]);
});
