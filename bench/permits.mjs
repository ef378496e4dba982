/**
 * What a permit costs: acquire + release by one client in sequence, against two bare EVALSHA of `return 1`, and beside the
 * npm package redis-semaphore where it is installed.
 *
 * Measured as workers do it (`giveBack`: the answer is not waited for, and a release goes with the next acquire where that
 * follows at once), and with every answer waited for.
 *
 *   npm run build && node bench/permits.mjs [--rounds 7] [--cycles 3000] [--json]
 *
 * One Redis behind a unix socket, one connection each, the contestants alternating round by round; the table shows medians.
 * Exit code 1 when the permit pool is below 0.7 x the bare calls, or behind redis-semaphore.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Redis } from "ioredis";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = resolve(process.env.UEE_DIST ?? join(root, "dist"));
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { makePermitPool } = await load("permits/permitPool.js");
const { makeKeys } = await load("redis/keys.js");
const { silentLogger } = await load("core/logger.js");

const argument = (name, fallback) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const rounds = argument("--rounds", 7);
const cycles = argument("--cycles", 3000);
const SIZE = 10;

function findSemaphore() {
  try {
    return createRequire(import.meta.url)("redis-semaphore").Semaphore;
  } catch {
    return undefined;
  }
}

const dir = await mkdtemp(join(tmpdir(), "uee-bench-"));
const socket = join(dir, "redis.sock");
const server = spawn(
  "redis-server",
  ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir],
  { stdio: "ignore" },
);
while (!existsSync(socket)) await sleep(20);
const clients = [];
const connect = () => {
  const client = new Redis(socket);
  clients.push(client);
  return client;
};

async function bareCalls() {
  const redis = connect();
  const sha = await redis.script("LOAD", "return 1");
  return async () => {
    await redis.evalsha(sha, 1, "{bench:bare}");
    await redis.evalsha(sha, 1, "{bench:bare}");
  };
}

function permits(name, giveBack) {
  const keys = makeKeys(name).permits;
  const pool = makePermitPool({ redis: connect(), keys, logger: silentLogger(), size: SIZE });
  let n = 0;
  return async () => {
    const grant = await pool.acquire({ lease: `batch-${n++}`, provider: "cve" });
    if (grant.waiting) throw new Error("nothing was free");
    await giveBack(pool, grant);
  };
}

function semaphore(Semaphore) {
  const redis = connect();
  return async () => {
    const one = new Semaphore(redis, "bench", SIZE, { lockTimeout: 12_000, refreshInterval: 0 });
    await one.acquire();
    await one.release();
  };
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
};

try {
  const Semaphore = findSemaphore();
  const contestants = new Map([
    ["two bare EVALSHA", await bareCalls()],
    ["permit acquire + giveBack", permits("bench-workers", (pool, grant) => pool.giveBack(grant))],
    ["permit acquire + release, awaited", permits("bench-awaited", (pool, grant) => pool.release(grant))],
    ...(Semaphore ? [["redis-semaphore acquire + release", semaphore(Semaphore)]] : []),
  ]);
  const rates = new Map([...contestants.keys()].map((name) => [name, []]));
  for (const cycle of contestants.values()) for (let i = 0; i < 500; i++) await cycle();
  const slow = clients[0];
  await slow.call("CONFIG", "SET", "slowlog-log-slower-than", "10000");
  for (let round = 0; round < rounds; round++) {
    // Who comes first changes too.
    const order = [...contestants];
    for (const [name, cycle] of round % 2 ? order.reverse() : order) {
      const start = performance.now();
      for (let i = 0; i < cycles; i++) await cycle();
      rates.get(name).push(cycles / ((performance.now() - start) / 1000));
    }
  }
  const figures = Object.fromEntries([...rates].map(([name, list]) => [name, Math.round(median(list))]));
  const bare = figures["two bare EVALSHA"];
  const ours = figures["permit acquire + giveBack"];
  const theirs = figures["redis-semaphore acquire + release"];
  const result = {
    cyclesPerSecond: figures,
    ratioToBare: Number((ours / bare).toFixed(3)),
    ratioToRedisSemaphore: theirs ? Number((ours / theirs).toFixed(3)) : null,
    scriptsOver10ms: Number(await slow.call("SLOWLOG", "LEN")),
  };
  if (process.argv.includes("--json")) console.log(JSON.stringify(result));
  else {
    for (const [name, rate] of Object.entries(figures)) {
      console.log(
        `${name.padEnd(36)} ${String(rate).padStart(7)} cycles/s  ${(rate / bare).toFixed(2)} x bare`,
      );
    }
    if (!theirs) console.log("redis-semaphore is not installed: not compared");
    console.log(`commands over 10 ms: ${result.scriptsOver10ms}`);
  }
  if (result.ratioToBare < 0.7 || (theirs && ours <= theirs)) process.exitCode = 1;
} finally {
  for (const client of clients) client.disconnect();
  const gone = new Promise((done) => server.once("exit", done));
  server.kill("SIGKILL");
  await gone;
  await rm(dir, { recursive: true, force: true });
}
