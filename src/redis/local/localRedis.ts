/**
 * A Redis server of our own under the data directory, for whoever has none. Shared by all commands that use the same
 * directory at the same time; owned by a keeper process that outlives them by its idle time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { totalmem } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { UeeError } from "../../core/errors.ts";
import {
  hasStore,
  type KeeperFailure,
  type KeeperState,
  type LocalFiles,
  localFiles,
  readJson,
} from "./files.ts";
import { holdServer } from "./hold.ts";
import { redisServerInstalled, redisServerMissing } from "./install.ts";
import { lockHolder } from "./lock.ts";
import { isRunning } from "./processes.ts";
import { dial, shutDown } from "./server.ts";

export interface LocalRedisOptions {
  /** UEE_DATA_DIR. */
  dataDir: string;
  /** false: only serve a store that exists, else SYS_NO_STORE. Default true. */
  create?: boolean;
  /** How long the server outlives its last client, ms. Default 60,000. Of the keeper that starts it. */
  idleMs?: number;
  /** Default: 75 % of the machine's (or container's) memory. Of the keeper that starts it. */
  maxMemoryBytes?: number;
  signal?: AbortSignal;
  /** Called once when this call started the server, not when it joined a running one. */
  onStart?: (info: { path: string; url: string }) => void;
  /** Called once when the server has much to load and this takes a while. */
  onLoading?: () => void;
  /** Program and arguments that run keeperMain; default: this Node and the built file beside this one. */
  keeperCommand?: readonly [string, ...string[]];
}

export interface LocalRedis {
  /** For connectRedis(). */
  readonly url: string;
  readonly socket: string;
  /** Where the data lie. */
  readonly path: string;
  /** This call started it. */
  readonly started: boolean;
  /** Lets the server go: it may stop once nobody else is connected. The end of the process does the same. */
  release(): void;
}

/** Nothing moves for this long: something is wrong that we do not know. */
const STUCK_MS = 30_000;
const LOADING_NOTE_MS = 2_000;

/**
 * @throws UeeError SYS_NO_STORE (create: false and nothing there), SYS_REDIS_MISSING (no redis-server; names the command
 * that installs it), SYS_REDIS_LOCAL_FAILED (it does not start; with its own words), SYS_INTERRUPTED
 */
export async function localRedis(options: LocalRedisOptions): Promise<LocalRedis> {
  const files = localFiles(options.dataDir);
  const begun = Date.now();
  const patience = new Patience(files, options.onLoading);
  let keeper: ChildProcess | undefined;
  for (;;) {
    if (options.signal?.aborted) throw new UeeError("SYS_INTERRUPTED");
    const holder = lockHolder(files.lock);
    const state = readJson<KeeperState>(files.state);
    if (holder && state?.phase === "ready" && state.keeper.pid === holder.pid) {
      const hold = await holdServer(state.socket);
      if (hold) {
        const started = keeper?.pid === holder.pid;
        const url = `unix:${state.socket.split("/").map(encodeURIComponent).join("/")}`;
        if (started) options.onStart?.({ path: files.home, url });
        return { url, socket: state.socket, path: files.home, started, release: hold.release };
      }
    }
    if (!holder && (keeper === undefined || hasEnded(keeper))) {
      const failure = readJson<KeeperFailure>(files.failure);
      if (failure && failure.at >= begun) throw failed(files, failure.message);
      assertStartable(files, state, options.create ?? true);
      keeper = spawnKeeper(options);
    }
    patience.look(`${holder?.pid} ${state?.phase} ${keeper?.pid}`, state?.phase === "loading");
    await sleep(20);
  }
}

/**
 * Stops the server of this directory cleanly, whoever is connected, and its keeper. Resolves when both are gone; at once
 * when there is none.
 */
export async function stopLocalRedis(dataDir: string): Promise<void> {
  const files = localFiles(dataDir);
  const keeper = lockHolder(files.lock);
  if (keeper) {
    process.kill(keeper.pid, "SIGTERM");
    while (isRunning(keeper)) await sleep(10);
  }
  // A keeper that was killed could not stop its server.
  const state = readJson<KeeperState>(files.state);
  if (!state?.server || !isRunning(state.server)) return;
  const redis = await dial(state.socket);
  if (!redis) throw failed(files, "it runs and does not answer");
  await shutDown(redis, state.server, { markClean: false });
}

/** Waits as long as something moves, or a server that has much to load is loading. */
class Patience {
  private readonly files: LocalFiles;
  private readonly onLoading: (() => void) | undefined;
  private seen = "";
  private movedAt = performance.now();
  private noted = false;

  constructor(files: LocalFiles, onLoading: (() => void) | undefined) {
    this.files = files;
    this.onLoading = onLoading;
  }

  look(now: string, loading: boolean): void {
    if (now !== this.seen) {
      this.seen = now;
      this.movedAt = performance.now();
      return;
    }
    const still = performance.now() - this.movedAt;
    if (loading) {
      if (still > LOADING_NOTE_MS && !this.noted) this.onLoading?.();
      this.noted ||= still > LOADING_NOTE_MS;
    } else if (still > STUCK_MS) {
      throw failed(this.files, `it did not get ready in ${STUCK_MS / 1_000} s`);
    }
  }
}

const failed = (files: LocalFiles, why: string): UeeError =>
  new UeeError("SYS_REDIS_LOCAL_FAILED", `The local Redis server failed: ${why}. Its log: ${files.log}`);

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

function assertStartable(files: LocalFiles, state: KeeperState | undefined, create: boolean): void {
  if (state?.server && isRunning(state.server)) return;
  if (!create && !hasStore(files)) {
    throw new UeeError("SYS_NO_STORE", `There is no local store under ${files.home} yet.`);
  }
  if (!redisServerInstalled()) throw redisServerMissing();
}

function spawnKeeper(options: LocalRedisOptions): ChildProcess {
  const { dataDir, idleMs = 60_000, maxMemoryBytes = defaultMaxMemory() } = options;
  const [program, ...args] = options.keeperCommand ?? [
    process.execPath,
    fileURLToPath(new URL("./keeperMain.js", import.meta.url)),
  ];
  const settings = JSON.stringify({ dataDir: resolve(dataDir), idleMs, maxMemoryBytes });
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(program, [...args, settings], {
    detached: true,
    stdio: "ignore",
    cwd: "/",
    // It outlives us and needs nothing of our secrets.
    env: { PATH, HOME, TMPDIR },
  });
  // A program that is not there shows as a keeper that never takes the lock.
  child.on("error", () => {});
  child.unref();
  return child;
}

/** 75 % of what this machine or container has. */
function defaultMaxMemory(): number {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(0.75 * Math.min(limit, totalmem()));
}
