/**
 * Laws 1 and 5 (nothing lost, every batch accounted for): a process that replays a dead letter and is killed before or after
 * any of its Redis calls leaves exactly one new job to come, or none yet; with the person who presses again, one in all.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { EngineSettings } from "../../src/engine.ts";
import { type Mirror, startMirror } from "../integration/deadLetters/support.ts";
import { type RedisImage, takeImage } from "../support/redisImage.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

const script = fileURLToPath(new URL("../support/replayProcess.mjs", import.meta.url));
const RECORDS = 2100;

/** These change nothing: to be killed after one is to be killed before the next call. */
const reads = new Set([
  "time",
  "get",
  "mget",
  "hget",
  "hmget",
  "hgetall",
  "strlen",
  "zrevrangebyscore",
  "zcard",
]);

let redis: TestRedis;
let mirror: Mirror;
let settings: EngineSettings;
/** One dead batch of a run that is closed; that beside a bad record; and one of a run that is open, its provider paused. */
let oneLetter: RedisImage;
let twoLetters: RedisImage;
let openRun: RedisImage;
/** Processes take their time to start: the next one starts while this one is checked. */
let next: Promise<Replayer>;

beforeAll(async () => {
  redis = await startRedis({});
  mirror = await startMirror(redis, { records: RECORDS });
  settings = testSettings({
    errorRate: 1,
    providers: { cve: { url: mirror.listing.url, rate: "unlimited" } },
  });
  const leave = async (): Promise<RedisImage> => {
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "incomplete" });
    await redis.client().del("{uee:cve}:cve:events");
    return await takeImage(redis.client());
  };
  mirror.spoiled.add(2000);
  oneLetter = await leave();
  await redis.client().flushall();
  mirror.spoil(7);
  twoLetters = await leave();
  mirror.mend(7);
  await redis.client().flushall();
  const strict = await openTestEngine(redis.url, { ...settings, errorRate: 0.01 });
  expect(await strict.run("cve", "full")).toMatchObject({ state: "paused" });
  await strict.close();
  await redis.client().del("{uee:cve}:cve:events");
  openRun = await takeImage(redis.client());
  mirror.spoiled.clear();
  mirror.lenient = true;
  next = startReplayer();
});
afterAll(async () => {
  (await next)?.child.kill("SIGKILL");
  await mirror.close();
  await redis.stop();
});
beforeEach(() => oneLetter.restore());

interface Place {
  phase: "before" | "after";
  nth: number;
}

interface Replayer {
  child: ChildProcess;
  /** Replays and resolves when the process has ended: by the kill, or with the names of its calls. */
  go(place: Place | null): Promise<string[] | "killed">;
}

async function startReplayer(): Promise<Replayer> {
  const plan = JSON.stringify({ url: redis.url, settings });
  const child = spawn(process.execPath, [script, plan], { stdio: ["pipe", "pipe", "inherit"] });
  const said = new EventEmitter();
  let names: string[] = [];
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as { ready?: boolean; names?: string[] };
    if (line.ready) said.emit("ready");
    names = line.names ?? names;
  });
  await once(said, "ready");
  return {
    child,
    async go(place) {
      const closed = once(child, "close") as Promise<[number | null, string | null]>;
      child.stdin.write(`${JSON.stringify(place ?? { phase: "never", nth: 0 })}\n`);
      const [, signal] = await closed;
      return signal === "SIGKILL" ? "killed" : names;
    },
  };
}

async function replayIn(place: Place | null): Promise<string[] | "killed"> {
  const replayer = await next;
  next = startReplayer();
  return await replayer.go(place);
}

/** With a worker that mends what was left: each letter had one new job, and all records are there. */
async function allReplayed(letters: number): Promise<void> {
  const [cve] = (await mirror.uee.engine.status()).providers;
  if (cve!.machine.state === "PAUSED") await mirror.uee.engine.resume("cve");
  const worker = await mirror.uee.engine.startWorker();
  await until(async () => {
    const [{ total }, { providers }] = await Promise.all([
      mirror.letters.stats(),
      mirror.uee.engine.status(),
    ]);
    const { waiting, active, delayed, failed } = providers[0]!.jobs;
    return total === 0 && providers[0]!.openRun === null && waiting + active + delayed + failed === 0;
  });
  await worker.stop();
  expect(await mirror.added()).toHaveLength(letters);
  expect((await mirror.uee.engine.status()).providers[0]!.records).toBe(RECORDS);
}

const calls = new Map<string, string[]>();
const kinds: [kind: string, image: () => RedisImage][] = [
  ["of a closed run's batch", () => oneLetter],
  ["of an open run's batch", () => openRun],
];

test.each(kinds)("a replay %s that is not killed gives the dead letter one new job", async (kind, image) => {
  // The first one teaches Redis the scripts, which takes a call more each.
  await image().restore();
  await replayIn(null);
  await image().restore();
  const names = (await replayIn(null)) as string[];
  calls.set(kind, names);
  expect(names.length).toBeGreaterThan(12);
  expect(await mirror.added()).toHaveLength(1);
  await allReplayed(1);
});

test.each(kinds)(
  "one %s that is killed before or after any of its calls, and asked for again, does too",
  async (kind, image) => {
    const places: Place[] = calls
      .get(kind)!
      .flatMap((name, i) => [
        { phase: "before" as const, nth: i + 1 },
        ...(reads.has(name) ? [] : [{ phase: "after" as const, nth: i + 1 }]),
      ]);
    for (const place of places) {
      await image().restore();
      expect([place, await replayIn(place)]).toEqual([place, "killed"]);
      expect((await mirror.added()).length).toBeLessThanOrEqual(1);
      // The person who saw it die asks again.
      await mirror.letters.replay({}, { actor: "ann" });
      await allReplayed(1);
    }
  },
  240_000,
);

test("one that is killed and never asked for again is finished for the letters that it took, and for no other", async () => {
  for (let nth = 1; nth <= calls.get(kinds[0]![0])!.length + 12; nth += 4) {
    await twoLetters.restore();
    await replayIn({ phase: "before", nth });
    const taken = (await mirror.all()).filter(({ state }) => state === "replaying").length;
    const worker = await mirror.uee.engine.startWorker();
    await until(async () => (await mirror.letters.count()) === 2 - taken);
    await until(async () => (await mirror.uee.engine.status()).providers[0]!.openRun === null);
    await worker.stop();
    expect(await mirror.added()).toHaveLength(taken);
    expect((await mirror.uee.engine.status()).providers[0]!.jobs.failed).toBe(2 - taken);
  }
}, 120_000);
