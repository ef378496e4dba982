/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for) over a Redis that cannot persist and refuses every write
 * (MISCONF): nothing is fetched while it lasts, no attempt is spent, and work goes on by itself. Two ways: a snapshot that
 * cannot be put in its place, and an append-only file that may not grow, as on a full disk.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { filesBelow } from "../support/liveFiles.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine } from "../support/testEngine.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let run: TroubledRun;

afterEach(async () => {
  await run?.close();
  await redis?.stop();
});

const infoOf = async (admin: Redis, field: string): Promise<string> =>
  new RegExp(`^${field}:(\\S+)`, "m").exec(await admin.info())?.[1] ?? "";

/** Status reports the trouble; a pause cannot be stored and is not reported as stored. */
async function whileItLasts(trouble: RegExp): Promise<void> {
  await run.everyoneKnows();
  const asked = run.requests();
  const uee = await openTestEngine(redis.url, run.settings);
  expect((await uee.engine.status()).redis.trouble).toMatch(trouble);
  await expect(uee.engine.pause("cve", { actor: "test" })).rejects.toThrow(/MISCONF/);
  await uee.close();
  expect(run.requests()).toBe(asked);
}

test("a run in mid-run outlasts snapshots that fail", async () => {
  redis = await startRedis({ appendonly: true, args: ["--save", "3600 1000000"] });
  run = await startTroubledRun({ redis });
  const admin = redis.client();
  // A directory lies where the snapshot must go: no user can replace it.
  const inItsPlace = join(redis.dir, "dump.rdb");
  mkdirSync(join(inItsPlace, "x"), { recursive: true });
  await admin.bgsave();
  await until(async () => (await infoOf(admin, "rdb_last_bgsave_status")) === "err");
  await whileItLasts(/snapshot failed/);
  rmSync(inItsPlace, { recursive: true });
  await until(async () => {
    await admin.bgsave().catch(() => undefined);
    return (await infoOf(admin, "rdb_last_bgsave_status")) === "ok";
  });
  await run.end();
  expect(run.said("redis_trouble").length).toBe(run.workers.length);
});

test("a run in mid-run outlasts an append-only file that may not grow", async () => {
  redis = await startRedis({
    appendonly: true,
    args: ["--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"],
    // Else the limit's signal ends the server.
    ignoreFileSizeSignal: true,
  });
  run = await startTroubledRun({ redis });
  const dir = join(redis.dir, "appendonlydir");
  const sizes = [...filesBelow(dir)].map(({ bytes }) => bytes.length);
  const limit = (bytes: string) =>
    execFileSync("prlimit", [`--fsize=${bytes}:unlimited`, "--pid", String(redis.pid)]);
  limit(String(Math.max(...sizes) + 4096));
  await whileItLasts(/append-only file/);
  limit("unlimited");
  await run.end();
  expect(run.said("redis_trouble").length).toBe(run.workers.length);
});
