/**
 * Supervises one local redis-server: starts or adopts it, restarts it when it dies, stops it after a period without
 * clients, and leaves no process running.
 *
 * Why the stop is safe: the supervisor first sets CLOSING_KEY and then counts clients; a client first connects and
 * then reads CLOSING_KEY. Redis executes one command at a time, so either the supervisor counts the client or the
 * client sees the key.
 * Why the start is safe: the server listens under a name that no client uses until its data are loaded and these keys
 * are correct.
 */
import { renameSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import {
  type LocalFiles,
  makeDirectory,
  PENDING_SOCKET,
  readJson,
  SOCKET,
  type SupervisorState,
  socketPath,
  writeJson,
} from "./files.ts";
import { acquireLock, type SupervisorLock } from "./lock.ts";
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
  serverPid,
  shutDown,
  spawnServer,
} from "./server.ts";
import { listens } from "./sockets.ts";

export interface SupervisorOptions {
  files: LocalFiles;
  /** Id of this supervisor's lock. */
  id: string;
  /** How long the server stays up without clients, ms. */
  idleMs: number;
  maxMemoryBytes: number;
  /** Aborted by a signal, or here when a command requests the stop. */
  stop: AbortController;
}

/** A run that began after a crash counts as clean only when it has lasted this long. */
const TRUSTED_AFTER_MS = 120_000;
const GIVE_UP_AFTER = 3;
/** Time within which a server that a killed supervisor had just started begins to listen, ms. */
const ORPHAN_MS = 1_000;

/**
 * Resolves when the server is stopped, or soon if another supervisor is active. Throws after ending the processes it
 * started.
 */
export async function supervise(options: SupervisorOptions): Promise<void> {
  makeDirectory(options.files.home);
  const lock = await acquireLock(options.files, options.id, () => options.stop.abort());
  if (!lock) return;
  try {
    await new RedisSupervisor(options, lock).run();
  } finally {
    await lock.release();
  }
}

type Event = "died" | "idle" | "asked" | "abandoned";

class RedisSupervisor {
  private readonly options: SupervisorOptions;
  private readonly files: LocalFiles;
  private readonly lock: SupervisorLock;
  private readonly socket: string;
  private readonly pendingSocket: string;
  private clean: boolean;
  private readySince = 0;
  private redis: Redis | undefined;
  private server: LocalServer | undefined;

  constructor(options: SupervisorOptions, lock: SupervisorLock) {
    this.options = options;
    this.files = options.files;
    this.lock = lock;
    this.socket = socketPath(this.files, SOCKET);
    this.pendingSocket = socketPath(this.files, PENDING_SOCKET);
    // A supervisor that ended cleanly has removed its state.
    this.clean = readJson<SupervisorState>(this.files.state) === undefined;
  }

  async run(): Promise<void> {
    try {
      await this.serve();
    } catch (error) {
      if (this.server) await endByForce(this.server);
      throw error;
    }
  }

  private async serve(): Promise<void> {
    const { stop } = this.options;
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
      if (stop.signal.aborted) return;
      this.redis?.disconnect();
      this.clean = false;
      failures = Date.now() - this.readySince > 5_000 ? 0 : failures + 1;
      await sleep(Math.min(50 * 2 ** failures, 5_000));
      server = await this.start();
    }
  }

  /**
   * Adopts a server that outlived its supervisor. A server of another process namespace is stopped, since it cannot
   * be watched.
   */
  private async adopt(): Promise<LocalServer | undefined> {
    const before = readJson<SupervisorState>(this.files.state);
    const known = before?.server ?? undefined;
    const deadline = performance.now() + (before?.phase === "starting" ? ORPHAN_MS : 0);
    do {
      for (const path of [this.socket, this.pendingSocket]) {
        const redis = await dial(path);
        if (!redis) continue;
        const pid = await serverPid(redis).catch(() => undefined);
        if (pid === undefined) {
          redis.disconnect();
          continue;
        }
        this.clean = before?.clean ?? false;
        if (known?.pid !== pid || !isRunning(known)) {
          await shutDown(redis, { markClean: false });
          return undefined;
        }
        const server: LocalServer = { identity: known, exited: new Promise(() => {}) };
        this.server = server;
        this.note("loading", known);
        if (!(await this.untilLoaded(redis, server))) {
          await endByForce(server);
          return undefined;
        }
        await this.open(redis, known, path === this.socket);
        return server;
      }
      if (performance.now() < deadline) await sleep(20);
    } while (performance.now() < deadline);
    // Alive but silent: frozen, or another program by now. Two servers must never use one file.
    if (known && isRunning(known)) await endByForce({ identity: known, exited: new Promise(() => {}) });
    else if ((await listens(this.socket)) || (await listens(this.pendingSocket))) {
      throw new Error(
        "a redis-server in another container or process namespace holds it and does not answer",
      );
    }
    return undefined;
  }

  private async start(): Promise<LocalServer> {
    for (let attempt = 1; ; attempt++) {
      this.note("starting", null);
      removeSockets(this.files);
      const child = spawnServer(this.files, this.options.maxMemoryBytes);
      const exited = Promise.race([
        exitOf(child),
        new Promise<void>((resolve) => child.once("error", () => resolve())),
      ]).catch(() => {});
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (identity) {
        const server: LocalServer = { identity, exited };
        this.server = server;
        this.note("loading", identity);
        const redis = await this.firstAnswer(server);
        if (redis) {
          await this.open(redis, identity, false);
          return server;
        }
      }
      if (this.options.stop.signal.aborted)
        throw new Error("it was told to stop before its data were loaded");
      if (attempt >= GIVE_UP_AFTER) {
        throw new Error(`redis-server ends at once: ${lastWords(this.files)}`);
      }
      await sleep(100 * attempt);
    }
  }

  private async firstAnswer(server: LocalServer): Promise<Redis | undefined> {
    while (this.mayWait(server)) {
      const redis = await dial(this.pendingSocket);
      if (redis && (await this.untilLoaded(redis, server))) return redis;
      await sleep(10);
    }
    return undefined;
  }

  private mayWait(server: LocalServer): boolean {
    return isRunning(server.identity) && !this.options.stop.signal.aborted;
  }

  private async untilLoaded(redis: Redis, server: LocalServer): Promise<boolean> {
    while (this.mayWait(server)) {
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
      renameSync(this.pendingSocket, this.socket);
    }
    this.readySince = Date.now();
    this.note("ready", identity);
  }

  private note(phase: SupervisorState["phase"], server: ProcessIdentity | null): void {
    const state: SupervisorState = { phase, keeper: this.lock.id, server, clean: this.clean };
    writeJson(this.files.state, state);
  }

  private async watch(server: LocalServer): Promise<Event> {
    const { idleMs } = this.options;
    const stop = this.options.stop.signal;
    const interval = Math.min(Math.max(idleMs / 10, 20), 2_000);
    let busyAt = performance.now();
    let accepted = -1;
    for (;;) {
      if (stop.aborted) return "asked";
      if (!isRunning(server.identity)) return "died";
      // The directory was deleted, or another supervisor has taken it over.
      if (!this.lock.held()) return "abandoned";
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
    const signal = AbortSignal.any([timer.signal, this.options.stop.signal]);
    await Promise.race([sleep(ms, undefined, { signal }).catch(() => {}), server.exited]);
    timer.abort();
  }

  /** Asks the server over our connection, or a new one; undefined when it does not answer (then it counts as busy). */
  private async ask<Answer>(question: (redis: Redis) => Promise<Answer>): Promise<Answer | undefined> {
    if (this.redis === undefined || this.redis.status === "end") this.redis = await dial(this.socket);
    return this.redis && (await question(this.redis).catch(() => undefined));
  }

  /** @returns false when a client connected meanwhile, or the server cannot stop now */
  private async stopServer(server: LocalServer, evenIfUsed: boolean): Promise<boolean> {
    const { identity } = server;
    // Reconnects if the connection was lost.
    await this.ask((redis) => redis.ping());
    const redis = this.redis;
    if (!redis) {
      await sleep(200);
      return false;
    }
    try {
      // A full server accepts no key; its limit is lifted for the last moment.
      await redis.config("SET", "maxmemory", 0);
      await redis.set(CLOSING_KEY, "1", "PX", 5_000);
      const { others } = await countClients(redis);
      if (others > 0 && !evenIfUsed) throw new Error("a client connected");
      const markClean = this.clean || Date.now() - this.readySince > TRUSTED_AFTER_MS;
      if (!markClean) await redis.del(CLEAN_STOP_KEY);
      this.note("stopping", identity);
      await shutDown(redis, { markClean });
      while (isRunning(identity)) await sleep(10);
    } catch {
      if (!isRunning(identity)) return false;
      await redis.config("SET", "maxmemory", this.options.maxMemoryBytes).catch(() => {});
      await redis.del(CLOSING_KEY).catch(() => {});
      this.note("ready", identity);
      await sleep(200);
      return false;
    }
    removeSockets(this.files);
    rmSync(this.files.state, { force: true });
    return true;
  }
}
