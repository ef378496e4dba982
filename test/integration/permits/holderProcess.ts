/**
 * One process of a fleet: asks for a permit, works a little under it, gives it back, until it is told to end or is killed.
 * argv: JSON {url, prefix, provider, leaseMs, graceMs, stubborn}, the last
 * the share of holds that give nothing back before they must. Prints a line for every step of work: `<lease> <ns>`, on the clock
 * that all processes of this machine share.
 */
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import { holdPermit, isWaiting } from "../../../src/permits/permitHolder.ts";
import { makePermitPool } from "../../../src/permits/permitPool.ts";
import { makeKeys } from "../../../src/redis/keys.ts";

const {
  url,
  prefix,
  provider,
  leaseMs,
  graceMs,
  stubborn: stubbornShare,
} = JSON.parse(process.argv[2]!) as {
  url: string;
  prefix: string;
  provider: string;
  leaseMs: number;
  graceMs: number;
  stubborn: number;
};
const connect = (maxRetriesPerRequest: number | null): Redis => {
  const redis = new Redis(url, { maxRetriesPerRequest, retryStrategy: () => 50 });
  redis.on("error", () => {});
  return redis;
};
const pool = makePermitPool({
  redis: connect(0),
  blocking: () => connect(null),
  keys: makeKeys(prefix).permits,
  logger: silentLogger(),
  ...{ leaseMs, graceMs, size: 3, pollMs: 100, waiterMs: 1_000, logLength: 1e6 },
});

let ending = false;
process.on("SIGTERM", () => {
  ending = true;
});
for (let n = 0; !ending; n++) {
  const lease = `${process.pid}-${n}`;
  try {
    const permit = await holdPermit(pool, { lease, provider, waitMs: 500, waiter: `${process.pid}` });
    if (isWaiting(permit)) continue;
    // Some hear nothing of being asked back: until their lease ends they go on.
    const stubborn = Math.random() < stubbornShare;
    const steps = stubborn ? 400 : 2 + Math.floor(Math.random() * 15);
    const mayGoOn = () =>
      !permit.signal.aborted && pool.monotonic() < permit.deadline && (stubborn || !permit.windDown.aborted);
    for (let step = 0; step < steps && mayGoOn(); step++) {
      writeSync(1, `${lease} ${process.hrtime.bigint()}\n`);
      await sleep(10);
    }
    permit.release();
  } catch {
    await sleep(20);
  }
}
process.exit(0);
