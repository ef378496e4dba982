import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { assertRedisFit, inspectRedis } from "../../../src/redis/checks.ts";
import { serverFacts } from "../../../src/redis/info.ts";
import { makeKeys, SCHEMA_VERSION } from "../../../src/redis/keys.ts";
import { ensureSchema } from "../../../src/redis/schema.ts";
import { oneServer, startRedis, type TestRedis } from "../../support/redisServer.ts";

const found = async (redis: Redis) =>
  (await inspectRedis(oneServer(redis))).map(({ check, severity }) => `${severity} ${check}`);

describe("the checks of a Redis at start", () => {
  let server: TestRedis;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis({ appendonly: true });
    redis = server.client();
  });
  beforeEach(async () => {
    await redis.config("SET", "maxmemory-policy", "noeviction");
    await redis.config("SET", "appendonly", "yes");
    await redis.config("SET", "save", "");
  });
  afterAll(() => server.stop());

  test("find nothing where everything is as it should be", async () => {
    expect(await inspectRedis(oneServer(redis))).toEqual([]);
    expect(await serverFacts(oneServer(redis))).toMatchObject({
      version: expect.stringMatching(/^\d+\./),
      persistence: "aof",
      maxMemory: 0,
    });
  });

  test("refuse a server that evicts or keeps nothing, saying both and what to change", async () => {
    await redis.config("SET", "maxmemory-policy", "allkeys-lru");
    await redis.config("SET", "appendonly", "no");
    await expect(assertRedisFit(oneServer(redis), "on")).rejects.toMatchObject({
      code: "SYS_REDIS_UNFIT",
      message: expect.stringMatching(/maxmemory-policy noeviction.*appendonly yes/),
    });
    expect(await assertRedisFit(oneServer(redis), "warn")).toHaveLength(2);
    expect(await assertRedisFit(oneServer(redis), "off")).toEqual([]);
  });

  test("warn of snapshots without an append-only file", async () => {
    await redis.config("SET", "appendonly", "no");
    await redis.config("SET", "save", "3600 1");
    expect(await found(redis)).toEqual(["warn persistence"]);
    expect(await assertRedisFit(oneServer(redis), "on")).toHaveLength(1);
  });

  test("refuse a replica and name its master", async () => {
    const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(server.port)] });
    try {
      await expect(assertRedisFit(oneServer(replica.client()), "on")).rejects.toThrow(
        `127.0.0.1:${server.port}`,
      );
    } finally {
      await replica.stop();
    }
  });

  test("refuse a Redis Cluster", async () => {
    const cluster = await startRedis({ appendonly: true, args: ["--cluster-enabled", "yes"] });
    try {
      expect(await found(cluster.client())).toEqual(["refuse cluster"]);
    } finally {
      await cluster.stop();
    }
  });

  test("go on with a warning where the user may ask neither CONFIG nor INFO", async () => {
    await redis.config("SET", "appendonly", "no");
    await redis.call("ACL", ["SETUSER", "lean", "on", ">pw", "~*", "&*", "+@all", "-config"]);
    await redis.call("ACL", ["SETUSER", "blind", "on", ">pw", "~*", "&*", "+@all", "-config", "-info"]);
    const lean = server.client({ username: "lean", password: "pw" });
    expect(await found(lean)).toEqual(["warn persistence"]);
    const blind = server.client({ username: "blind", password: "pw", enableReadyCheck: false });
    expect(await found(blind)).toEqual(["warn rights"]);
    expect((await serverFacts(oneServer(blind))).version).toBe("unknown");
  });

  test("refuse a version before 6.2 (told by a server that says so)", async () => {
    const old = { info: async () => "redis_version:6.0.16\r\nrole:master\r\naof_enabled:1\r\n" };
    const findings = await inspectRedis(oneServer(old as unknown as Redis));
    expect(findings).toMatchObject([{ check: "version", severity: "refuse" }]);
    expect(findings[0]?.message).toMatch(/6\.0\.16.*6\.2/);
  });
});

describe("the schema version of a store", () => {
  let server: TestRedis;
  const keys = makeKeys("uee");
  beforeAll(async () => {
    server = await startRedis();
  });
  afterEach(() => server.client().flushall());
  afterAll(() => server.stop());

  test("is written once and accepted from then on", async () => {
    const redis = server.client();
    await ensureSchema(redis, keys);
    expect(await redis.hget(keys.fleet, "schema")).toBe(String(SCHEMA_VERSION));
    await ensureSchema(redis, keys);
  });

  test("is not written by readers", async () => {
    const redis = server.client();
    await ensureSchema(redis, keys, { write: false });
    expect(await redis.exists(keys.fleet)).toBe(0);
  });

  test("refuses an older process and is left as it is", async () => {
    const redis = server.client();
    await redis.hset(keys.fleet, "schema", String(SCHEMA_VERSION + 1));
    await expect(ensureSchema(redis, keys)).rejects.toMatchObject({ code: "SYS_SCHEMA_NEWER" });
    expect(await redis.hget(keys.fleet, "schema")).toBe(String(SCHEMA_VERSION + 1));
    await redis.hset(keys.fleet, "schema", "rubbish");
    await expect(ensureSchema(redis, keys)).rejects.toMatchObject({ code: "STOR_CORRUPT" });
  });
});
