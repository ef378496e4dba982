/**
 * Law 1 (nothing lost), law 2 (nothing stale) and law 4 (permits are never over-granted) over a Redis that stands still
 * (SIGSTOP) for longer than locks and leases live, and then goes on: everybody's are over at once, and nobody could know.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { checkPermitLog, readPermitLog } from "../support/permitChecker.ts";
import { duringTroubledRun } from "../support/troubledRun.ts";

/** One lease and one grace, with room for a busy machine. */
const PERMIT_BOUND_US = 25_000_000;

const troubled = duringTroubledRun();

test("a run in mid-run outlasts a Redis that stands still for 14 s", async () => {
  const { redis, run } = troubled;
  await redis.kill("SIGSTOP");
  await sleep(1_000);
  const asked = run.requests();
  await sleep(13_000);
  expect(run.requests()).toBe(asked);
  await redis.kill("SIGCONT");
  await run.end();
  const { log } = makeKeys(run.settings.prefix).permits;
  const events = readPermitLog(await redis.client().xrange(log, "-", "+"));
  const verdict = checkPermitLog(events, PERMIT_BOUND_US);
  expect(verdict.violations).toEqual([]);
  expect(verdict.grants).toBeGreaterThan(0);
});
