import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { silentLogger } from "../../../src/core/logger.ts";
import { auditHistory, PermitAuditor } from "../../../src/permits/auditor.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { testPool } from "./support.ts";

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test("drift of the permit pool is mended by whichever pod audits first, counted, and gone at the next audit", async () => {
  const redis = server.client();
  const keys = makeKeys("audited");
  const pool = testPool(redis, { size: 3 });
  await pool.acquire({ lease: "held", provider: "cve" });
  // A lease whose facts cannot be read.
  await redis.hset(pool.keys.leases, "broken", "nonsense");
  const auditor = (actor: string) => new PermitAuditor({ redis, keys, pool, actor, logger: silentLogger() });
  const first = await Promise.all([auditor("one").runOnce(), auditor("two").runOnce()]);
  expect(first.filter((found) => found === undefined)).toHaveLength(1);
  expect(first).toContain(1);
  expect(await auditHistory(redis, keys)).toMatchObject({ audits: 1, drift: 1, driftTotal: 1 });
  await redis.del(keys.permitAuditTurn);
  expect(await auditor("three").runOnce()).toBe(0);
  expect(await auditHistory(redis, keys)).toMatchObject({ audits: 2, drift: 0, driftTotal: 1 });
  expect(await pool.show()).toMatchObject({ allocated: 1 });
  pool.close();
});
