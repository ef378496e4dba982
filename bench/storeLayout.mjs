/**
 * The cost of the record layout: committing new and unchanged records against a bare loop (one pipelined HSET of one
 * JSON.stringify per top-level field), memory per record, and the bytes that a field diff saves.
 *
 *   npm run build && node bench/storeLayout.mjs [--rounds 3] [--json]
 *
 * Real records come from UEE_SHARED_DATA (default ../shared/data beside the repository). Each round uses its own
 * Redis behind a unix socket, and the two sides alternate; the table shows medians. Every page is parsed again, as if
 * it came from the network, but the time of JSON.parse is excluded on both sides: it is the same.
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
const { makeProviderRecords } = await import(pathToFileURL(join(dist, "records/index.js")).href);
const { cve } = await import(pathToFileURL(join(dist, "providers/cve/cve.js")).href);
const { makeKeys } = await import(pathToFileURL(join(dist, "redis/keys.js")).href);

const argument = (name, fallback) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const rounds = argument("--rounds", 3);
const PAGE = 2000;
const ALL_CVES = 500_000;

if (!existsSync(join(data, "nvd/cve-after.ndjson.gz"))) {
  console.error(`No real records under ${data}: set UEE_SHARED_DATA.`);
  process.exit(1);
}
const load = (name) =>
  gunzipSync(readFileSync(join(data, "nvd", name)))
    .toString("utf8")
    .split("\n")
    .filter(Boolean);
const after = load("cve-after.ndjson.gz");
const before = load("cve-before.ndjson.gz");
/** JSON texts of pages. */
const pagesOf = (lines) =>
  Array.from(
    { length: Math.ceil(lines.length / PAGE) },
    (_, i) => `[${lines.slice(i * PAGE, (i + 1) * PAGE).join(",")}]`,
  );
const afterPages = pagesOf(after);

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

/** µs a record and CPU µs a record of this process. */
async function timed(pages, work) {
  let ms = 0;
  let cpu = 0;
  let records = 0;
  for (const page of pages) {
    const parsed = JSON.parse(page);
    const cpuBefore = process.cpuUsage();
    const start = performance.now();
    await work(parsed);
    ms += performance.now() - start;
    const { user, system } = process.cpuUsage(cpuBefore);
    cpu += user + system;
    records += parsed.length;
  }
  return { us: (ms * 1000) / records, cpuUs: cpu / records };
}

const bare = () =>
  withRedis(async (redis) => {
    const memory = await usedMemory(redis);
    const time = await timed(afterPages, async (page) => {
      const pipeline = redis.pipeline();
      for (const record of page) {
        const args = [];
        for (const name in record) args.push(name, JSON.stringify(record[name]));
        pipeline.hset(`bare:${record.id}`, ...args);
      }
      await pipeline.exec();
    });
    return { ...time, bytes: ((await usedMemory(redis)) - memory) / after.length };
  });

function openStore(redis) {
  const run = keys.run(attempt.runId);
  const records = makeProviderRecords({
    redis,
    keys,
    provider: cve,
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

/** µs; Redis 7 and newer. */
const scriptTime = async (redis) =>
  Number(/usec_evalsha:.*p99\.9=([\d.]+)/.exec(await redis.info("latencystats"))?.[1]);

const store = () =>
  withRedis(async (redis) => {
    const { commit, run } = await openStore(redis);
    const memory = await usedMemory(redis);
    let written = 0;
    const created = await timed(afterPages, async (page) => {
      written += (await commit(page, 10)).bytesWritten;
    });
    const withRun = await usedMemory(redis);
    let rewritten = 0;
    const unchanged = await timed(afterPages, async (page) => {
      rewritten += (await commit(page, 20)).bytesWritten;
    });
    const scriptP999 = await scriptTime(redis);
    await redis.del(run.seen);
    return {
      created: created.us,
      unchanged: unchanged.us,
      createdCpu: created.cpuUs,
      unchangedCpu: unchanged.cpuUs,
      rewritten,
      written: written / after.length,
      bytes: ((await usedMemory(redis)) - memory) / after.length,
      runBytes: (withRun - (await usedMemory(redis))) / after.length,
      scriptP999,
    };
  });

const update = () =>
  withRedis(async (redis) => {
    const { commit } = await openStore(redis);
    for (const page of pagesOf(before)) await commit(JSON.parse(page), 10);
    const changed = [];
    let diff = 0;
    let updated = 0;
    const time = await timed(afterPages, async (page) => {
      const result = await commit(page, 20);
      diff += result.bytesWritten;
      updated += result.updated;
    });
    let plain = 0;
    after.forEach((line, i) => {
      if (line === before[i]) return;
      changed.push(line);
      for (const value of Object.values(JSON.parse(line))) plain += Buffer.byteLength(JSON.stringify(value));
    });
    await redis.flushall();
    const fresh = await openStore(redis);
    let rewrite = 0;
    for (const page of pagesOf(changed)) rewrite += (await fresh.commit(JSON.parse(page), 30)).bytesWritten;
    return { us: time.us, updated, diff, rewrite, plain };
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
  cpuUs: {
    bare: pick(bares, "cpuUs"),
    created: pick(stores, "createdCpu"),
    unchanged: pick(stores, "unchangedCpu"),
  },
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
  scriptP999Us: pick(stores, "scriptP999"),
};
if (process.argv.includes("--json")) console.log(JSON.stringify(results));
else console.dir(results, { depth: 3 });
