/**
 * A Redis server of our own under the data directory, where no REDIS_URL is set. Shared by all commands that use the same
 * directory at the same time; owned by a keeper process that outlives them by its idle time.
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
  type KeeperState,
  type LocalFiles,
  localFiles,
  readJson,
  SOCKET,
  socketPath,
  unusable,
  unusableBecause,
} from "./files.ts";
import { holdServer } from "./hold.ts";
import { redisServerInstalled, redisServerMissing } from "./install.ts";
import { type Holder, lockHolder, newLockId, STOP_WORD } from "./lock.ts";
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
const STUCK_MS = 15_000;
/** So often a keeper may find that another one is there, which is gone when we look. */
const MAX_KEEPERS = 20;
const LOADING_NOTE_MS = 2_000;

/**
 * @throws UeeError SYS_NO_STORE (create: false and nothing there), SYS_REDIS_MISSING (no redis-server; names the command
 * that installs it), SYS_DATA_DIR (the directory cannot be used, or its server cannot be shared), SYS_REDIS_LOCAL_FAILED
 * (it does not start; with its own words), SYS_INTERRUPTED. After an error no process that this call started is left.
 */
export async function localRedis(options: LocalRedisOptions): Promise<LocalRedis> {
  const files = localFiles(options.dataDir);
  const keepers = new Keepers(files, options);
  try {
    return await untilHeld(files, options, keepers);
  } catch (error) {
    // After an interruption the server stops by itself when idle; another command may use it already.
    if (!isUeeError(error, "SYS_INTERRUPTED")) await keepers.end();
    throw error;
  }
}

async function untilHeld(
  files: LocalFiles,
  options: LocalRedisOptions,
  keepers: Keepers,
): Promise<LocalRedis> {
  const patience = new Patience(files, options.onLoading);
  for (;;) {
    if (options.signal?.aborted) throw new UeeError("SYS_INTERRUPTED");
    const holder = await findHolder(files);
    const state = readJson<KeeperState>(files.state);
    if (holder && state?.phase === "ready" && (holder.id === undefined || state.keeper === holder.id)) {
      const socket = socketPath(files, SOCKET);
      const hold = await holdServer(socket).catch((error) => {
        throw unusable(files, error);
      });
      if (hold) {
        const started = keepers.started(holder);
        const url = `unix:${socket.split("/").map(encodeURIComponent).join("/")}`;
        if (started) options.onStart?.({ path: files.home, url });
        return { url, socket, path: files.home, started, release: hold.release };
      }
    }
    if (!holder) keepers.ensure();
    patience.look(`${holder?.id} ${state?.phase} ${keepers.count}`, state?.phase === "loading");
    await sleep(20);
  }
}

/** The living keeper, which we can share. */
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

/** The keeper processes that one call starts: one at a time. */
class Keepers {
  count = 0;
  private id = "";
  private child: ChildProcess | undefined;
  private words = "";
  /** Of the last one; undefined while it runs. */
  private exitCode: number | undefined = 0;
  private readonly files: LocalFiles;
  private readonly options: LocalRedisOptions;

  constructor(files: LocalFiles, options: LocalRedisOptions) {
    this.files = files;
    this.options = options;
  }

  started = (holder: Holder): boolean => holder.id === this.id;

  /** Starts one when none is at work. Throws when the last one failed. */
  ensure(): void {
    const { files } = this;
    if (this.exitCode === undefined) return;
    if (this.exitCode !== 0) throw failed(files, this.words);
    if (this.count >= MAX_KEEPERS) throw failed(files, "its keepers end at once");
    if (this.options.create === false && !hasStore(files)) {
      throw new UeeError("SYS_NO_STORE", `There is no local store under ${files.home} yet.`);
    }
    if (!redisServerInstalled()) throw redisServerMissing();
    assertWritable(files);
    this.count++;
    this.id = newLockId();
    this.words = "";
    this.exitCode = undefined;
    const child = spawnKeeper(this.options, this.id);
    this.child = child;
    child.stderr?.on("data", (chunk) => {
      this.words = `${this.words}${chunk}`.slice(-2_000);
    });
    child.once("error", (error) => {
      this.words = error.message;
      this.exitCode = 1;
    });
    child.once("close", (code) => {
      this.exitCode = code ?? 1;
    });
  }

  /** Ends the one at work, and with it the server that it may have started. */
  async end(): Promise<void> {
    if (this.exitCode !== undefined) return;
    this.child?.kill("SIGTERM");
    const deadline = performance.now() + 5_000;
    while (this.exitCode === undefined && performance.now() < deadline) await sleep(10);
  }
}

/**
 * Stops the server of this directory cleanly, whoever is connected, and its keeper. Resolves when both are gone; at once
 * when there is none.
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
  // A keeper that was killed could not stop its server.
  const redis = isThere(files) ? await dial(socketPath(files, SOCKET)) : undefined;
  if (redis) await shutDown(redis, { markClean: false });
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

function spawnKeeper(options: LocalRedisOptions, id: string): ChildProcess {
  const { dataDir, idleMs = 60_000, maxMemoryBytes = defaultMaxMemory() } = options;
  const [program, ...args] = options.keeperCommand ?? [
    process.execPath,
    fileURLToPath(new URL("./keeperMain.js", import.meta.url)),
  ];
  const settings = JSON.stringify({ dataDir: resolve(dataDir), id, idleMs, maxMemoryBytes });
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(program, [...args, settings], {
    detached: true,
    // It says on stderr why it failed.
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
    // It outlives us and needs nothing of our secrets.
    env: { PATH, HOME, TMPDIR },
  });
  child.unref();
  (child.stderr as Socket | null)?.unref();
  return child;
}

/** 75 % of what this machine or container has. */
function defaultMaxMemory(): number {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(0.75 * Math.min(limit, totalmem()));
}
