/**
 * What the record layout costs: committing new and unchanged records against a bare loop (one pipelined HSET of one
 * JSON.stringify per top-level field), memory a record, and the bytes a field diff saves.
 *
 *   npm run build && node bench/storeLayout.mjs [--rounds 3] [--json]
 *
 * Real records come from UEE_SHARED_DATA (default ../shared/data beside the repository). Each round runs on a Redis of
 * its own behind a unix socket, the contestants alternating; the table shows medians. JSON.parse is left out on both
 * sides: it is the same.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { Redis } from "ioredis";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = resolve(process.env.UEE_DIST ?? join(root, "dist"));
const data = resolve(process.env.UEE_SHARED_DATA ?? join(root, "../shared/data"));
const { makeRedisProviderRecords } = await import(pathToFileURL(join(dist, "records/index.js")).href);
const { makeKeys } = await import(pathToFileURL(join(dist, "redis/keys.js")).href);

const argument = (name, fallback) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const rounds = argument("--rounds", 3);
const PAGE = 2000;
const ALL_CVES = 361_000;

if (!existsSync(join(data, "nvd/cve-after.ndjson.gz"))) {
  console.error(`No real records under ${data}: set UEE_SHARED_DATA.`);
  process.exit(1);
}
const load = (name) =>
  gunzipSync(readFileSync(join(data, "nvd", name)))
    .toString("utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const after = load("cve-after.ndjson.gz");
const before = load("cve-before.ndjson.gz");
const pagesOf = (records) =>
  Array.from({ length: Math.ceil(records.length / PAGE) }, (_, i) => records.slice(i * PAGE, (i + 1) * PAGE));

const keys = makeKeys("bench").provider("cve");
const attempt = { runId: "r", batchKey: "b", fence: 1, pass: 1 };
const options = { staleness: "latest-wins", acceptRepeatedRegression: false };

async function withRedis(work) {
  const dir = await mkdtemp(join(tmpdir(), "uee-bench-"));
  const socket = join(dir, "redis.sock");
  const server = spawn(
    "redis-server",
    ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir],
    { stdio: "ignore" },
  );
  while (!existsSync(socket)) await sleep(20);
  const redis = new Redis(socket);
  try {
    await redis.call("CONFIG", "SET", "slowlog-log-slower-than", "0");
    await redis.call("CONFIG", "SET", "slowlog-max-len", "100000");
    return await work(redis);
  } finally {
    redis.disconnect();
    const gone = new Promise((done) => server.once("exit", done));
    server.kill("SIGKILL");
    await gone;
    await rm(dir, { recursive: true, force: true });
  }
}

const usedMemory = async (redis) => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))[1]);

async function timed(records, work) {
  const start = performance.now();
  for (const page of pagesOf(records)) await work(page);
  return ((performance.now() - start) * 1000) / records.length;
}

const bare = () =>
  withRedis(async (redis) => {
    const memory = await usedMemory(redis);
    const us = await timed(after, async (page) => {
      const pipeline = redis.pipeline();
      for (const record of page) {
        const args = [];
        for (const name in record) args.push(name, JSON.stringify(record[name]));
        pipeline.hset(`bare:${record.id}`, ...args);
      }
      await pipeline.exec();
    });
    return { us, bytes: ((await usedMemory(redis)) - memory) / after.length };
  });

function openStore(redis) {
  const run = keys.run(attempt.runId);
  const records = makeRedisProviderRecords({
    redis,
    keys,
    provider: { name: "cve", authority: "nvd" },
    changesLimit: 100_000,
  });
  const commit = async (page, fetchedAt) =>
    records.commit(
      attempt,
      page.map((cve) => ({
        id: cve.id,
        lastModified: cve.lastModified,
        aliases: [],
        data: cve,
        fetchedAt,
      })),
      options,
    );
  return redis
    .multi()
    .hset(run.run, "state", "open")
    .hset(run.fences, attempt.batchKey, attempt.fence)
    .exec()
    .then(() => ({ commit, run }));
}

const scriptTimes = async (redis) =>
  (await redis.slowlog("GET", -1)).filter(([, , , [name]]) => /^EVAL/i.test(name)).map(([, , us]) => us);

const store = () =>
  withRedis(async (redis) => {
    const { commit, run } = await openStore(redis);
    const memory = await usedMemory(redis);
    let written = 0;
    const created = await timed(after, async (page) => {
      written += (await commit(page, 10)).bytesWritten;
    });
    const scripts = await scriptTimes(redis);
    const withRun = await usedMemory(redis);
    let rewritten = 0;
    const unchanged = await timed(after, async (page) => {
      rewritten += (await commit(page, 20)).bytesWritten;
    });
    scripts.push(...(await scriptTimes(redis)));
    await redis.unlink(run.seen);
    await redis.ping();
    return {
      created,
      unchanged,
      rewritten,
      written: written / after.length,
      bytes: ((await usedMemory(redis)) - memory) / after.length,
      runBytes: (withRun - (await usedMemory(redis))) / after.length,
      scripts,
    };
  });

const update = () =>
  withRedis(async (redis) => {
    const { commit } = await openStore(redis);
    for (const page of pagesOf(before)) await commit(page, 10);
    const changed = [];
    let diff = 0;
    let updated = 0;
    const us = await timed(after, async (page) => {
      const result = await commit(page, 20);
      diff += result.bytesWritten;
      updated += result.updated;
    });
    const old = new Map(before.map((cve) => [cve.id, JSON.stringify(cve)]));
    let plain = 0;
    for (const cve of after) {
      if (old.get(cve.id) === JSON.stringify(cve)) continue;
      changed.push(cve);
      for (const name in cve) plain += Buffer.byteLength(JSON.stringify(cve[name]));
    }
    await redis.flushall();
    const fresh = await openStore(redis);
    let rewrite = 0;
    for (const page of pagesOf(changed)) rewrite += (await fresh.commit(page, 30)).bytesWritten;
    return { us, updated, diff, rewrite, plain };
  });

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const bares = [];
const stores = [];
const updates = [];
for (let round = 0; round < rounds; round++) {
  bares.push(await bare());
  stores.push(await store());
  updates.push(await update());
}
const scripts = stores.flatMap((result) => result.scripts).sort((a, b) => a - b);
const pick = (results, name) => median(results.map((result) => result[name]));
const bareUs = pick(bares, "us");
const u = updates[0];
const mb = (bytesPerRecord) => Math.round((bytesPerRecord * ALL_CVES) / 1e6);
const results = {
  records: after.length,
  rounds,
  bareUs,
  createdUs: pick(stores, "created"),
  unchangedUs: pick(stores, "unchanged"),
  updatedUs: pick(updates, "us"),
  loadRatio: bareUs / pick(stores, "created"),
  resyncRatio: bareUs / pick(stores, "unchanged"),
  resyncBytes: pick(stores, "rewritten"),
  bareMemory: pick(bares, "bytes"),
  memory: pick(stores, "bytes"),
  memoryOfOpenRun: pick(stores, "runBytes"),
  projectedMb: mb(pick(stores, "bytes")),
  projectedRunMb: mb(pick(stores, "runBytes")),
  bareProjectedMb: mb(pick(bares, "bytes")),
  valueBytes: pick(stores, "written"),
  update: {
    records: u.updated,
    diffBytes: u.diff,
    rewriteBytes: u.rewrite,
    plainRewriteBytes: u.plain,
    savedOfRewrite: 1 - u.diff / u.rewrite,
    savedOfPlainRewrite: 1 - u.diff / u.plain,
  },
  scriptP999Us: scripts[Math.floor(scripts.length * 0.999)],
  scriptMaxUs: scripts.at(-1),
};
if (process.argv.includes("--json")) console.log(JSON.stringify(results));
else console.dir(results, { depth: 3 });
