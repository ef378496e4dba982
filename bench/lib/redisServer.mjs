// A redis-server of our own behind a unix socket, append-only with fsync every second: the same for both sides.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { tracked } from "./processes.mjs";

export const redisSettings = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];

/**
 * Starts one, passes it to `work` with a client, and removes everything afterwards. `first`: it goes before all other
 * processes, as if it had a core of its own, where this process may say so (root).
 */
export async function withRedis(work, { first = false } = {}) {
  const dir = await mkdtemp(join(tmpdir(), "uee-bench-"));
  const socket = join(dir, "redis.sock");
  const server = tracked(
    spawn("redis-server", ["--port", "0", "--unixsocket", socket, "--dir", dir, ...redisSettings], {
      stdio: "ignore",
    }),
  );
  const gone = new Promise((done) => server.once("exit", done));
  let redis;
  try {
    while (!existsSync(socket)) {
      if (server.exitCode !== null) throw new Error("redis-server ended at its start");
      await sleep(10);
    }
    if (first && process.getuid() === 0) setPriority(server.pid, -20);
    redis = new Redis(socket);
    redis.on("error", () => {});
    await redis.ping();
    return await work({ redis, socket, url: `unix:${socket}` });
  } finally {
    redis?.disconnect();
    server.kill("SIGKILL");
    await gone;
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** One number of INFO. */
export async function infoNumber(redis, name) {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(await redis.info())?.[1]);
}

/** Bytes in use once lazy frees and rewrites of the append-only file are through. */
export async function settledMemory(redis) {
  for (;;) {
    const busy =
      (await infoNumber(redis, "lazyfree_pending_objects")) +
      (await infoNumber(redis, "aof_rewrite_in_progress")) +
      (await infoNumber(redis, "aof_rewrite_scheduled"));
    if (busy === 0) break;
    await sleep(50);
  }
  await sleep(100);
  return infoNumber(redis, "used_memory");
}
