/** One redis-server process as the supervisor handles it: started or adopted, queried, stopped cleanly. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { parseInfo } from "../info.ts";
import { redisMicros } from "../time.ts";
import { type LocalFiles, PENDING_SOCKET, SOCKET } from "./files.ts";
import { isRunning, type ProcessIdentity } from "./processes.ts";

/** While this key exists the server is about to stop: clients must not begin to use it. */
export const CLOSING_KEY = "uee:closing";

/**
 * Server TIME in µs of the clean stop before the current run of the server; absent when the run began otherwise. Its
 * presence proves that no acknowledged write was lost between the two runs.
 */
export const CLEAN_STOP_KEY = "uee:clean-stop";

/** A process of this process namespace. */
export interface LocalServer {
  readonly identity: ProcessIdentity;
  /** Resolves when an own child has ended; never for an adopted process. */
  readonly exited: Promise<void>;
}

export function spawnServer(files: LocalFiles, maxMemoryBytes: number): ChildProcess {
  return spawn(
    "redis-server",
    [
      // A relative name: the directory's path may be longer than a socket path may be.
      ...["--port", "0", "--unixsocket", PENDING_SOCKET, "--unixsocketperm", "700", "--dir", files.home],
      ...["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--aof-load-truncated", "yes"],
      ...["--maxmemory", String(maxMemoryBytes), "--maxmemory-policy", "noeviction"],
      ...["--logfile", files.log, "--daemonize", "no"],
    ],
    { stdio: "ignore", cwd: files.home },
  );
}

/** A connection of the supervisor; undefined when no server listens. Never reconnects. */
export async function dial(path: string): Promise<Redis | undefined> {
  const redis = new Redis({
    path,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
    commandTimeout: 5_000,
    disconnectTimeout: 100,
    connectionName: "uee:keeper",
  });
  redis.on("error", () => {});
  try {
    await redis.connect();
    return redis;
  } catch {
    redis.disconnect();
    return undefined;
  }
}

export async function isLoading(redis: Redis): Promise<boolean> {
  return parseInfo(await redis.info("persistence")).loading === "1";
}

/** The server's process id, in its own process namespace. */
export async function serverPid(redis: Redis): Promise<number> {
  return Number(parseInfo(await redis.info("server")).process_id ?? 0);
}

export interface ClientCount {
  /** Clients connected now, without ourselves. */
  others: number;
  /** Connections ever accepted: shows clients that came and left between two checks. */
  everAccepted: number;
}

export async function countClients(redis: Redis): Promise<ClientCount> {
  const [clients, stats] = await Promise.all([redis.info("clients"), redis.info("stats")]);
  return {
    others: Number(parseInfo(clients).connected_clients ?? 1) - 1,
    everAccepted: Number(parseInfo(stats).total_connections_received ?? 0),
  };
}

/**
 * Stops the server so that the next run knows that nothing was lost.
 * @param options.markClean write CLEAN_STOP_KEY
 * @throws when Redis refuses, as it does while it cannot write its file: nothing is lost then, the server keeps
 * running
 */
export async function shutDown(redis: Redis, options: { markClean: boolean }): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    if (redis.status === "end") resolve();
    redis.once("end", () => resolve());
  });
  if (options.markClean) {
    await redis.set(CLEAN_STOP_KEY, String(await redisMicros(redis)));
  }
  // NOSAVE concerns snapshots; the append-only file is written and synced in any case.
  const refusal = await redis.call("SHUTDOWN", "NOSAVE").then(
    () => undefined,
    // Without an answer the stop is in progress: the connection ends with the server, or writing the file takes time.
    (error: Error) => (error.name === "ReplyError" ? error : undefined),
  );
  if (refusal) throw refusal;
  // It closes its connections after writing its file.
  await ended;
}

/** The relevant lines of the log, for the operator. */
export function lastWords(files: LocalFiles): string {
  try {
    const lines = readFileSync(files.log, "utf8").trim().split("\n").slice(-20);
    const warnings = lines.filter((line) => line.includes(" # ")).slice(-3);
    return (warnings.length > 0 ? warnings : lines.slice(-3)).join(" / ");
  } catch {
    return "it left no log";
  }
}

export async function endByForce(server: LocalServer): Promise<void> {
  if (isRunning(server.identity)) process.kill(server.identity.pid, "SIGKILL");
  while (isRunning(server.identity)) await sleep(10);
}

export function removeSockets(files: LocalFiles): void {
  for (const name of [SOCKET, PENDING_SOCKET]) rmSync(join(files.home, name), { force: true });
}

/** The exit of a child process. */
export const exitOf = (child: ChildProcess): Promise<void> => once(child, "exit").then(() => undefined);
