/**
 * Law 1 (nothing lost) over a Redis that is killed in mid-run and takes long to load its data: it answers LOADING to
 * everything. Work goes on by itself when it has loaded.
 */
import { expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { duringTroubledRun } from "../support/troubledRun.ts";
import { until } from "../support/until.ts";

const LOADS_MS = 6_000;

const args: string[] = [];
const troubled = duringTroubledRun({ args });

test("a run in mid-run outlasts a Redis that loads for seconds", async () => {
  const { redis, run } = troubled;
  // A file that is read key by key, slowly; in between the server answers.
  const admin = redis.client();
  await admin.bgrewriteaof();
  await until(async () => /aof_rewrite_in_progress:0/.test(await admin.info("persistence")));
  const keys = await admin.dbsize();
  args.push("--key-load-delay", String(Math.ceil((LOADS_MS * 1000) / keys)));
  args.push("--loading-process-events-interval-bytes", "1024");
  const loaded = redis.restart();
  const look = new Redis(redis.port, "127.0.0.1", { enableReadyCheck: false, retryStrategy: () => 20 });
  look.on("error", () => undefined);
  const seen: string[] = [];
  await until(async () => {
    seen.push(await look.set("x", "y").catch((error: Error) => error.message));
    return seen.some((said) => said.startsWith("LOADING"));
  });
  const asked = run.requests();
  await loaded;
  look.disconnect();
  // Those that were under way when it went.
  expect(run.requests() - asked).toBeLessThanOrEqual(run.workers.length);
  await run.end();
});
