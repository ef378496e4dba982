/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for) over a Redis whose administrator takes our user's right to
 * write away in mid-run, and gives it back: no run fails for it, no attempt is spent, and work goes on by itself.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";

let redis: TestRedis;
let admin: Redis;
let run: TroubledRun;

/** The line that the documentation gives, for the prefixes of tests. */
function documentedLine(): string[] {
  const docs = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8");
  const line = /^ACL (SETUSER uee .+)$/m.exec(docs)?.[1];
  if (!line) throw new Error("docs/redis.md gives no ACL line");
  const words = line.replace("PASSWORD", "secret").split(" ");
  return words.map((word) => (word.startsWith("~{uee") ? "~{t*" : word));
}

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  admin = redis.client();
  await admin.call("ACL", documentedLine());
  run = await startTroubledRun({ redis, url: redis.url.replace("//", "//uee:secret@") });
});
afterAll(async () => {
  await run?.close();
  await redis.stop();
});

test("a run in mid-run outlasts the loss of the right to write", async () => {
  await admin.call("ACL", "SETUSER", "uee", "-@write");
  await run.everyoneKnows();
  const asked = run.requests();
  expect(run.said("redis_trouble")[0]).toMatchObject({ code: "SYS_REDIS_AUTH" });
  await admin.call("ACL", "SETUSER", "uee", "+@write");
  expect(run.requests()).toBe(asked);
  await run.end();
  expect(run.said("redis_trouble").length).toBe(run.workers.length);
  expect(run.said("run_closed")).toMatchObject([{ result: "complete" }]);
});
