/**
 * A local Redis server under the data directory, used when REDIS_URL is not set. All commands that use the same
 * directory share it; it belongs to a supervisor process that outlives them by its idle time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { totalmem } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isUeeError, UeeError } from "../../core/errors.ts";
import {
  assertWritable,
  hasStore,
  isThere,
  type LocalFiles,
  localFiles,
  readJson,
  SOCKET,
  type SupervisorState,
  socketPath,
  unusable,
  unusableBecause,
} from "./files.ts";
import { redisServerInstalled, redisServerMissing } from "./install.ts";
import { type Holder, lockHolder, newLockId, STOP_WORD } from "./lock.ts";
import { isRunning } from "./processes.ts";
import { dial, shutDown } from "./server.ts";
import { holdServer } from "./sockets.ts";

export interface LocalRedisOptions {
  /** UEE_DATA_DIR. */
  dataDir: string;
  /** false: only open an existing store, else SYS_NO_STORE. Default true. */
  create?: boolean;
  /** How long the server outlives its last client, ms. Default 60,000. Set by the supervisor that starts it. */
  idleMs?: number;
  /** Default: 75 % of the memory of the machine (or container). Set by the supervisor that starts it. */
  maxMemoryBytes?: number;
  signal?: AbortSignal;
  /** Called once when this call started the server, not when it joined a running one. */
  onStart?: (info: { path: string; url: string }) => void;
  /** Called once when loading the server's data takes a while. */
  onLoading?: () => void;
  /** Program and arguments that run supervisorMain; default: this Node and the built file beside this one. */
  supervisorCommand?: readonly [string, ...string[]];
}

export interface LocalRedis {
  /** For connectRedis(). */
  readonly url: string;
  readonly socket: string;
  /** Directory of the data. */
  readonly path: string;
  /** This call started the server. */
  readonly started: boolean;
  /** Releases the server: it may stop when no other client is connected. The end of the process has the same effect. */
  release(): void;
}

/** No progress for this long indicates an unknown problem. */
const STUCK_MS = 15_000;
/** Number of times that a new supervisor may find another one that is gone when we look. */
const MAX_STARTS = 20;
const LOADING_NOTE_MS = 2_000;

/**
 * @throws UeeError SYS_NO_STORE (create: false and no store), SYS_REDIS_MISSING (no redis-server; names the command
 * that installs it), SYS_DATA_DIR (the directory cannot be used, or its server cannot be shared),
 * SYS_REDIS_LOCAL_FAILED (it does not start; with the server's message), SYS_INTERRUPTED. After an error no process
 * that this call started is left.
 */
export async function localRedis(options: LocalRedisOptions): Promise<LocalRedis> {
  const files = localFiles(options.dataDir);
  const supervisors = makeSupervisorStarts(files, options);
  try {
    return await untilHeld(files, options, supervisors);
  } catch (error) {
    // After an interruption the server stops when idle; another command may already use it.
    if (!isUeeError(error, "SYS_INTERRUPTED")) await supervisors.end();
    throw error;
  }
}

async function untilHeld(
  files: LocalFiles,
  options: LocalRedisOptions,
  supervisors: ReturnType<typeof makeSupervisorStarts>,
): Promise<LocalRedis> {
  const checkProgress = makePatience(files, options.onLoading);
  for (;;) {
    if (options.signal?.aborted) throw new UeeError("SYS_INTERRUPTED");
    const holder = await findHolder(files);
    const state = readJson<SupervisorState>(files.state);
    if (holder && state?.phase === "ready" && (holder.id === undefined || state.keeper === holder.id)) {
      const socket = socketPath(files, SOCKET);
      const hold = await holdServer(socket).catch((error) => {
        throw unusable(files, error);
      });
      if (hold) {
        const started = supervisors.started(holder);
        const url = `unix:${socket.split("/").map(encodeURIComponent).join("/")}`;
        if (started) options.onStart?.({ path: files.home, url });
        return { url, socket, path: files.home, started, release: hold.release };
      }
    }
    if (!holder) supervisors.ensure();
    checkProgress(`${holder?.id} ${state?.phase} ${supervisors.count()}`, state?.phase === "loading");
    await sleep(20);
  }
}

/** The live supervisor, which can be shared. */
async function findHolder(files: LocalFiles): Promise<Holder | undefined> {
  if (!isThere(files)) return undefined;
  const found = await lockHolder(files).catch((error) => {
    throw unusable(files, error);
  });
  if (found && !found.reachable) {
    throw unusableBecause(
      files,
      "a Redis server on another machine, or in a sandbox with a kernel of its own, is using it, and cannot be shared with this one",
    );
  }
  return found?.holder;
}

/** The supervisor processes that one call starts, one at a time. */
function makeSupervisorStarts(files: LocalFiles, options: LocalRedisOptions) {
  let count = 0;
  let id = "";
  let child: ChildProcess | undefined;
  let words = "";
  /** Exit of the last one; undefined while it runs. */
  let exitCode: number | undefined = 0;
  return {
    count: (): number => count,
    started: (holder: Holder): boolean => holder.id === id,
    /** Starts one when none is running. Throws when the last one failed. */
    ensure(): void {
      if (exitCode === undefined) return;
      if (exitCode !== 0) throw failed(files, words);
      if (count >= MAX_STARTS) throw failed(files, "its supervisor process ends at once");
      if (options.create === false && !hasStore(files)) {
        throw new UeeError("SYS_NO_STORE", `There is no local store under ${files.home} yet.`);
      }
      if (!redisServerInstalled()) throw redisServerMissing();
      assertWritable(files);
      count++;
      id = newLockId();
      words = "";
      exitCode = undefined;
      child = spawnSupervisor(options, id);
      child.stderr?.on("data", (chunk) => {
        words = `${words}${chunk}`.slice(-2_000);
      });
      child.once("error", (error) => {
        words = error.message;
        exitCode = 1;
      });
      child.once("close", (code) => {
        exitCode = code ?? 1;
      });
    },
    /** Ends the running one, and with it the server that it may have started. */
    async end(): Promise<void> {
      child?.kill("SIGTERM");
      const deadline = performance.now() + 5_000;
      while (exitCode === undefined && performance.now() < deadline) await sleep(10);
    },
  };
}

/**
 * Stops the server of this directory cleanly, even with clients connected, and its supervisor. Resolves when both
 * have ended; at once when there is none.
 */
export async function stopLocalRedis(dataDir: string): Promise<void> {
  const files = localFiles(dataDir);
  const holder = await findHolder(files);
  if (holder) {
    const connection = connect(socketPath(files, holder.socket));
    connection.on("error", () => {});
    connection.end(STOP_WORD);
    while ((await findHolder(files))?.id === holder.id || isRunning(holder)) await sleep(10);
    return;
  }
  // A supervisor that was killed could not stop its server.
  const redis = isThere(files) ? await dial(socketPath(files, SOCKET)) : undefined;
  if (redis) await shutDown(redis, { markClean: false });
}

/** A function that throws when there was no progress for too long, unless a server with much data is loading. */
function makePatience(files: LocalFiles, onLoading: (() => void) | undefined) {
  let seen = "";
  let movedAt = performance.now();
  let noted = false;
  return (now: string, loading: boolean): void => {
    if (now !== seen) movedAt = performance.now();
    seen = now;
    const still = performance.now() - movedAt;
    if (!loading && still > STUCK_MS) throw failed(files, `it was not ready within ${STUCK_MS / 1_000} s`);
    if (!loading || noted || still <= LOADING_NOTE_MS) return;
    noted = true;
    onLoading?.();
  };
}

const failed = (files: LocalFiles, why: string): UeeError =>
  new UeeError("SYS_REDIS_LOCAL_FAILED", `The local Redis server failed: ${why}. Its log: ${files.log}`);

function spawnSupervisor(options: LocalRedisOptions, id: string): ChildProcess {
  const { dataDir, idleMs = 60_000, maxMemoryBytes = defaultMaxMemory() } = options;
  const [program, ...args] = options.supervisorCommand ?? [
    process.execPath,
    fileURLToPath(new URL("./supervisorMain.js", import.meta.url)),
  ];
  const settings = JSON.stringify({ dataDir: resolve(dataDir), id, idleMs, maxMemoryBytes });
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(program, [...args, settings], {
    detached: true,
    // It writes the reason of a failure to stderr.
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
    // It outlives this process and needs none of our secrets.
    env: { PATH, HOME, TMPDIR },
  });
  child.unref();
  (child.stderr as Socket | null)?.unref();
  return child;
}

/** 75 % of the memory of this machine or container. */
function defaultMaxMemory(): number {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(0.75 * Math.min(limit, totalmem()));
}
