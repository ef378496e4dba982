import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { inspectRedis } from "../../../src/redis/checks.ts";
import { slotOf } from "../../../src/redis/cluster.ts";
import { connectRedis, type RedisConnections } from "../../../src/redis/connect.ts";
import { mapRedisError } from "../../../src/redis/errors.ts";
import { serverFacts } from "../../../src/redis/info.ts";
import { startCluster, type TestCluster } from "../../support/redisCluster.ts";
import { until } from "../../support/until.ts";

let cluster: TestCluster;
let redis: RedisConnections;
beforeAll(async () => {
  cluster = await startCluster();
  redis = await connectRedis({ url: cluster.url });
});
afterAll(async () => {
  await redis?.close();
  await cluster?.stop();
});

describe("connections to a cluster", () => {
  test("compute the slot of a key as Redis does", async () => {
    for (const key of ["foo", "{uee}:x", "{uee:cve}:c:CVE-2021-44228", "{}x", "a{b}{c}", "é{ü}", "{a", ""]) {
      expect(slotOf(key)).toBe(Number(await redis.commands.cluster("KEYSLOT", key)));
    }
  });

  test("go to the master of the key, one for each slot, and pass the checks", async () => {
    for (const key of ["{uee}:a", "{uee:cve}:a", "{uee:permits}:a", "{uee:up:cwe}:a"]) {
      await redis.of(key).set(key, "1");
      expect(await redis.of(key).get(key)).toBe("1");
      expect(redis.of(key)).toBe(redis.of(`${key}:other`));
      const port = /tcp_port:(\d+)/.exec(await redis.of(key).info("server"))?.[1];
      expect(Number(port)).toBe((await cluster.masterOf(key)).port);
    }
    expect(await redis.servers()).toHaveLength(3);
    expect(await inspectRedis(redis)).toEqual([]);
    expect(await serverFacts(redis)).toMatchObject({ persistence: "aof", maxMemory: 0, trouble: null });
  });

  test("follow a slot that moves to another master; while it moves, that is trouble of Redis", async () => {
    const key = "{uee:moves}:a";
    const source = await cluster.masterOf(key);
    const target = (await cluster.masters()).find((node) => node !== source)!;
    const [from, to] = [cluster.admin(source), cluster.admin(target)];
    const idOf = (admin: Redis) => admin.call("CLUSTER", "MYID") as Promise<string>;
    const slot = slotOf(key);
    await redis.of(key).set(key, "1");
    await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(from));
    await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", await idOf(to));
    await from.call("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000);
    const moving = await redis.of(key).get(key).catch(mapRedisError);
    expect(moving).toMatchObject({ code: "SYS_REDIS_TROUBLE", message: expect.stringContaining("ASK") });
    for (const admin of [to, from]) await admin.call("CLUSTER", "SETSLOT", slot, "NODE", await idOf(to));
    const moved = await redis.of(key).get(key).catch(mapRedisError);
    expect(moved).toMatchObject({ code: "SYS_REDIS_TROUBLE", message: expect.stringContaining("MOVED") });
    await until(
      async () =>
        (await redis
          .of(key)
          .get(key)
          .catch(() => null)) === "1",
    );
    expect((await redis.servers()).find(({ serves }) => serves(key))!.name).toContain(`:${target.port}`);
  });

  test("after a master's death commands and blocking reads go to the replica that took over", async () => {
    const key = "{uee:cve}:list";
    const blocking = redis.open("blocking", key);
    await redis.of(key).set("{uee:cve}:kept", "1");
    await redis.of(key).call("WAIT", [1, 5_000]);
    const popped = blocking.blpop(key, 0);
    const runId = async () => /run_id:(\w+)/.exec(await redis.of(key).info("server"))?.[1];
    const before = await runId();
    const dead = await cluster.failOver(key);
    const errors = new Set<string>();
    await until(() =>
      redis
        .of(key)
        .rpush(key, "item")
        .then(
          () => true,
          (error: unknown) => {
            errors.add(mapRedisError(error).code);
            return false;
          },
        ),
    );
    for (const code of errors) expect(code).toMatch(/^SYS_REDIS_(UNREACHABLE|TROUBLE)$/);
    expect(await popped).toEqual([key, "item"]);
    expect(await redis.of(key).get("{uee:cve}:kept")).toBe("1");
    expect(await runId()).not.toBe(before);
    await dead.restart();
    await cluster.settled();
    // The old master is a replica now.
    expect(await redis.of(key).get("{uee:cve}:kept")).toBe("1");
  });
});
