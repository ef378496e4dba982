/**
 * Keeps one local redis-server: starts or adopts it, starts it again when it dies, stops it when nobody has been connected
 * for a while, and leaves nothing running.
 *
 * Soundness of the stop: the keeper first sets CLOSING_KEY and then counts clients; a client first connects and then looks
 * for CLOSING_KEY. Redis does one thing at a time, so either the keeper counts the client or the client sees the key.
 * Soundness of the start: the server listens under a name that nobody looks for until its data are loaded and the keys
 * above are as they must be.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { chooseSocket, type KeeperState, type LocalFiles, PENDING, readJson, writeJson } from "./files.ts";
import { acquireLock, isHeldBy, releaseLock } from "./lock.ts";
import { identify, isRunning, type ProcessIdentity } from "./processes.ts";
import {
  CLEAN_STOP_KEY,
  CLOSING_KEY,
  countClients,
  dial,
  endByForce,
  exitOf,
  isLoading,
  type LocalServer,
  lastWords,
  removeSockets,
  serverProcess,
  shutDown,
  spawnServer,
} from "./server.ts";

export interface KeeperOptions {
  files: LocalFiles;
  /** How long nobody must have been connected before the server is stopped, ms. */
  idleMs: number;
  maxMemoryBytes: number;
  /** Fires when somebody asks for the stop. */
  stop: AbortSignal;
}

/** A run that began after a crash vouches for what came before it only when it has lasted this long. */
const TRUSTED_AFTER_MS = 120_000;
const GIVE_UP_AFTER = 3;

/** Resolves when the server is stopped, or at once when another keeper is there. */
export async function keep(options: KeeperOptions): Promise<void> {
  const me = identify(process.pid);
  if (!me) throw new Error("this process cannot be identified");
  mkdirSync(options.files.home, { recursive: true, mode: 0o700 });
  if (!acquireLock(options.files.lock, me)) return;
  try {
    await new Keeper(options, me).run();
  } finally {
    releaseLock(options.files.lock, me);
  }
}

type Event = "died" | "idle" | "asked" | "abandoned";

class Keeper {
  private readonly options: KeeperOptions;
  private readonly files: LocalFiles;
  private readonly me: ProcessIdentity;
  private readonly socket: string;
  private clean: boolean;
  private readySince = 0;
  private redis: Redis | undefined;

  constructor(options: KeeperOptions, me: ProcessIdentity) {
    this.options = options;
    this.files = options.files;
    this.me = me;
    const before = readJson<KeeperState>(this.files.state);
    this.socket = before?.socket ?? chooseSocket(this.files);
    // A keeper that ended well has removed its state.
    this.clean = before === undefined;
  }

  async run(): Promise<void> {
    let server = (await this.adopt()) ?? (await this.start());
    for (let failures = 0; ; ) {
      const event = await this.watch(server);
      if (event === "abandoned") {
        await endByForce(server);
        return;
      }
      if (event !== "died") {
        if (await this.stopServer(server, event === "asked")) return;
        continue;
      }
      if (this.options.stop.aborted) return;
      this.redis?.disconnect();
      this.clean = false;
      failures = Date.now() - this.readySince > 5_000 ? 0 : failures + 1;
      await sleep(Math.min(50 * 2 ** failures, 5_000));
      server = await this.start();
    }
  }

  /** A server that outlived its keeper. */
  private async adopt(): Promise<LocalServer | undefined> {
    for (const path of [this.socket, this.socket + PENDING]) {
      const redis = await dial(path);
      const identity = redis && (await serverProcess(redis).catch(() => undefined));
      if (!redis || !identity) continue;
      const server: LocalServer = { identity, exited: new Promise(() => {}) };
      this.clean = readJson<KeeperState>(this.files.state)?.clean ?? false;
      const wasReady = path === this.socket;
      this.note("loading", identity);
      if (!(await this.untilLoaded(redis, server))) return undefined;
      await this.open(redis, identity, wasReady);
      return server;
    }
    // Alive and not listening: frozen, or not one of ours any more. Two servers on one file must not be.
    const before = readJson<KeeperState>(this.files.state)?.server;
    if (before && isRunning(before)) await endByForce({ identity: before, exited: new Promise(() => {}) });
    return undefined;
  }

  private async start(): Promise<LocalServer> {
    for (let attempt = 1; ; attempt++) {
      this.note("starting", null);
      removeSockets(this.socket);
      const child = spawnServer(this.files, this.socket, this.options.maxMemoryBytes);
      const exited = Promise.race([
        exitOf(child),
        new Promise<void>((resolve) => child.once("error", () => resolve())),
      ]).catch(() => {});
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (identity) {
        const server: LocalServer = { identity, exited };
        this.note("loading", identity);
        const redis = await this.firstAnswer(server);
        if (redis) {
          await this.open(redis, identity, false);
          return server;
        }
      }
      if (attempt >= GIVE_UP_AFTER || this.options.stop.aborted) {
        throw new Error(`redis-server ends at once: ${lastWords(this.files)}`);
      }
      await sleep(100 * attempt);
    }
  }

  private async firstAnswer(server: LocalServer): Promise<Redis | undefined> {
    while (isRunning(server.identity)) {
      const redis = await dial(this.socket + PENDING);
      if (redis && (await this.untilLoaded(redis, server))) return redis;
      await sleep(10);
    }
    return undefined;
  }

  private async untilLoaded(redis: Redis, server: LocalServer): Promise<boolean> {
    while (isRunning(server.identity)) {
      const loading = await isLoading(redis).catch(() => undefined);
      if (loading === false) return true;
      if (loading === undefined && redis.status === "end") return false;
      await sleep(20);
    }
    return false;
  }

  /** Lets clients in. */
  private async open(redis: Redis, identity: ProcessIdentity, wasReady: boolean): Promise<void> {
    this.redis = redis;
    await redis.del(CLOSING_KEY);
    if (!wasReady) {
      if (!this.clean) await redis.del(CLEAN_STOP_KEY);
      renameSync(this.socket + PENDING, this.socket);
    }
    this.readySince = Date.now();
    rmSync(this.files.failure, { force: true });
    this.note("ready", identity);
  }

  private note(phase: KeeperState["phase"], server: ProcessIdentity | null): void {
    const state: KeeperState = { phase, keeper: this.me, server, socket: this.socket, clean: this.clean };
    writeJson(this.files.state, state);
  }

  private async watch(server: LocalServer): Promise<Event> {
    const { idleMs, stop } = this.options;
    const interval = Math.min(Math.max(idleMs / 10, 20), 2_000);
    let busyAt = performance.now();
    let accepted = -1;
    for (;;) {
      if (stop.aborted) return "asked";
      if (!isRunning(server.identity)) return "died";
      // The directory was deleted under us, or given to another.
      if (!existsSync(this.files.lock) || !isHeldBy(this.files.lock, this.me)) return "abandoned";
      const count = await this.ask(countClients);
      if (count === undefined || count.others > 0 || count.everAccepted !== accepted)
        busyAt = performance.now();
      if (count) accepted = count.everAccepted;
      if (performance.now() - busyAt >= idleMs) return "idle";
      await this.pause(interval, server);
    }
  }

  private async pause(ms: number, server: LocalServer): Promise<void> {
    const timer = new AbortController();
    const signal = AbortSignal.any([timer.signal, this.options.stop]);
    await Promise.race([sleep(ms, undefined, { signal }).catch(() => {}), server.exited]);
    timer.abort();
  }

  /** Asks the server over our connection, or a new one; undefined when it does not answer (then it counts as busy). */
  private async ask<Answer>(question: (redis: Redis) => Promise<Answer>): Promise<Answer | undefined> {
    if (this.redis === undefined || this.redis.status === "end") this.redis = await dial(this.socket);
    return this.redis && (await question(this.redis).catch(() => undefined));
  }

  /** @returns false when somebody came meanwhile, or the server cannot stop now */
  private async stopServer(server: LocalServer, evenIfUsed: boolean): Promise<boolean> {
    const { identity } = server;
    // Connects anew where the connection was lost.
    await this.ask((redis) => redis.ping());
    const redis = this.redis;
    if (!redis) {
      await sleep(200);
      return false;
    }
    try {
      // A full server takes no key, and this one is ours to lift its limit for its last moment.
      await redis.config("SET", "maxmemory", 0);
      await redis.set(CLOSING_KEY, "1", "PX", 5_000);
      const { others } = await countClients(redis);
      if (others > 0 && !evenIfUsed) throw new Error("somebody connected");
      const markClean = this.clean || Date.now() - this.readySince > TRUSTED_AFTER_MS;
      if (!markClean) await redis.del(CLEAN_STOP_KEY);
      this.note("stopping", identity);
      await shutDown(redis, identity, { markClean });
    } catch {
      if (!isRunning(identity)) return false;
      await redis.config("SET", "maxmemory", this.options.maxMemoryBytes).catch(() => {});
      await redis.del(CLOSING_KEY).catch(() => {});
      this.note("ready", identity);
      await sleep(200);
      return false;
    }
    removeSockets(this.socket);
    rmSync(this.files.state, { force: true });
    return true;
  }
}
