/** Pools for tests: short leases, one Redis. */
import type { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import {
  makePermitPool,
  type PermitGrant,
  type PermitPool,
  type PermitPoolOptions,
  type PermitRequest,
  type PermitWait,
} from "../../../src/permits/permitPool.ts";
import { makeKeys, type PermitKeys } from "../../../src/redis/keys.ts";
import { checkPermitLog, type PermitVerdict, readPermitLog } from "../../support/permitChecker.ts";

export interface TestPool extends PermitPool {
  readonly keys: PermitKeys;
  /** The log's verdict; the bound has 200 ms of room for a busy machine. */
  verdict(): Promise<PermitVerdict>;
}

let pools = 0;

/** A pool of its own in Redis unless `prefix` names one. */
export function testPool(
  redis: Redis,
  options: Partial<PermitPoolOptions> & { prefix?: string } = {},
): TestPool {
  const { prefix = `pool-${++pools}`, ...rest } = options;
  const keys = makeKeys(prefix).permits;
  const pool = makePermitPool({ redis, keys, logger: silentLogger(), logLength: 1e6, ...rest });
  return {
    ...pool,
    keys,
    async verdict() {
      const log = readPermitLog(await redis.xrange(keys.log, "-", "+"));
      return checkPermitLog(log, (pool.leaseMs + pool.graceMs + 200) * 1000);
    },
  };
}

/** So many grants, `<name>-1` and so on. */
export const grants = async (
  pool: PermitPool,
  name: string,
  provider: string,
  count: number,
): Promise<PermitGrant[]> => {
  const got: PermitGrant[] = [];
  for (let i = 1; i <= count; i++) got.push(await granted(pool, { lease: `${name}-${i}`, provider }));
  return got;
};

/** The grant, or an error that says why not. */
export async function granted(pool: PermitPool, request: PermitRequest): Promise<PermitGrant> {
  const got = await pool.acquire(request);
  if (got.waiting) throw new Error(`${request.lease} got nothing: ${JSON.stringify(got)}`);
  return got;
}

export async function refused(pool: PermitPool, request: PermitRequest): Promise<PermitWait> {
  const got = await pool.acquire(request);
  if (!got.waiting) throw new Error(`${request.lease} got a permit`);
  return got;
}
