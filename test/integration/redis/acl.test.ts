import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { assertRedisFit } from "../../../src/redis/checks.ts";
import { connectRedis, type RedisConnections } from "../../../src/redis/connect.ts";
import { mapRedisError } from "../../../src/redis/errors.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { ensureSchema } from "../../../src/redis/schema.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";

const inRepo = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const keys = makeKeys("uee");

/** The line that the documentation gives, with a real password. */
function documentedLine(): string[] {
  const line = /^ACL (SETUSER uee .+)$/m.exec(readFileSync(inRepo("docs/redis.md"), "utf8"))?.[1];
  if (!line) throw new Error("docs/redis.md gives no ACL line");
  return line.replace("PASSWORD", "secret").split(" ");
}

function commandsOfOurScripts(): string[] {
  const commands = new Set<string>();
  for (const file of readdirSync(inRepo("src"), { recursive: true }) as string[]) {
    if (!file.endsWith(".lua")) continue;
    const source = readFileSync(inRepo(`src/${file}`), "utf8");
    for (const [, command] of source.matchAll(/redis\.p?call\(\s*["'](\w+)["']/g))
      commands.add(command!.toUpperCase());
  }
  return [...commands].sort();
}

describe("the ACL user of the documentation", () => {
  let server: TestRedis;
  let admin: Redis;
  let connections: RedisConnections;
  beforeAll(async () => {
    server = await startRedis({ appendonly: true });
    admin = server.client();
    await admin.call("ACL", documentedLine());
    connections = await connectRedis({ url: server.url.replace("//", "//uee:secret@") });
  });
  afterAll(async () => {
    await connections?.close();
    await server.stop();
  });

  test("passes the checks at start and owns the schema", async () => {
    expect(await assertRedisFit(connections, "on")).toEqual([]);
    await ensureSchema(connections.commands, keys);
  });

  test("runs BullMQ: jobs added, worked, retried, delayed, failed, counted and cleaned", async () => {
    const { prefix, name } = keys.provider("cve").queue;
    const queue = new Queue(name, { prefix, connection: connections.commands });
    const attempts: string[] = [];
    const worker = new Worker(
      name,
      async (job) => {
        attempts.push(job.name);
        if (job.name === "flaky" && job.attemptsMade === 0) throw new Error("first time");
        if (job.name === "bad") throw new Error("always");
        return { done: job.name };
      },
      {
        prefix,
        connection: connections.open("blocking", prefix),
        lockDuration: 9_000,
        stalledInterval: 4_000,
      },
    );
    const errors: Error[] = [];
    worker.on("error", (error) => errors.push(error));
    const settled = new Promise<void>((resolve) => {
      let open = 4;
      const one = () => --open === 0 && resolve();
      worker.on("completed", one);
      worker.on("failed", (job) => job?.finishedOn && one());
    });
    await queue.add("plain", {});
    await queue.add("late", {}, { delay: 50 });
    await queue.add("flaky", {}, { attempts: 2, backoff: { type: "fixed", delay: 20 } });
    await queue.add("bad", {}, { removeOnFail: false });
    await settled;
    expect(attempts.sort()).toEqual(["bad", "flaky", "flaky", "late", "plain"]);
    expect(await queue.getJobCounts("completed", "failed")).toEqual({ completed: 3, failed: 1 });
    await queue.upsertJobScheduler("daily", { every: 86_400_000 }, { name: "scheduled" });
    await queue.clean(0, 100, "completed");
    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
    expect(errors).toEqual([]);
  });

  test("may run every command of every script of ours", async () => {
    const commands = commandsOfOurScripts();
    expect(commands).toEqual(expect.arrayContaining(["HGET", "HSET", "TIME"]));
    const info = (await admin.call("COMMAND", ["INFO", ...commands])) as [string, number][];
    for (const [index, command] of commands.entries()) {
      const arity = Math.abs(info[index]?.[1] ?? 2);
      const args = Array.from({ length: Math.max(arity - 1, 1) }, () => "{uee:cve}:x");
      // The arguments of commands without keys do not matter: the answer is about the right to run the command.
      const answer = await admin
        .call("ACL", ["DRYRUN", "uee", command, ...(arity === 1 ? [] : args)])
        .then(String, (error: Error) => error.message);
      expect(`${command}: ${answer}`).toBe(`${command}: OK`);
    }
  });

  test("may do neither harm nor look beyond its keys", async () => {
    const { commands } = connections;
    for (const attempt of [
      () => commands.flushall(),
      () => commands.config("GET", "save"),
      () => commands.client("LIST"),
      () => commands.keys("*"),
      () => commands.get("other"),
      () => commands.set("uee:other", "1"),
      () => commands.eval("return redis.call('GET', 'other')", 0),
    ]) {
      await expect(
        attempt().catch((error: unknown) => Promise.reject(mapRedisError(error))),
      ).rejects.toMatchObject({ code: "SYS_REDIS_AUTH" });
    }
  });
});
