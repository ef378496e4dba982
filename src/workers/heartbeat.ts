/**
 * A worker's registration: renewed every few seconds, with new measurements every 10 s and whenever its state changes. One that
 * Redis does not take is missed; the next follows.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Redis } from "ioredis";
import { HEARTBEAT_MS, LIVE_MS, type WorkerFacts, type WorkerRegistry } from "../recovery/workerRegistry.ts";
import type { WorkerState, WorkerVitals } from "../recovery/workerView.ts";
import { SCHEMA_VERSION } from "../redis/keys.ts";
import { thisProcess } from "../runs/processIdentity.ts";

/** Redis has not answered for so long: it is away, whatever the connection says. */
const SILENT_MS = 10_000;
const WAITING_BEATS = 4;
/** How often the event loop is looked at, ms; what it is late beyond that is its delay. */
const LOOK_MS = 20;

const round = (ms: number): number => Math.round(Math.max(0, ms) * 10) / 10;

export interface HeartbeatOptions {
  registry: WorkerRegistry;
  redis: Redis;
  id: string;
  version: string;
  lockOwners: string[];
  serves: WorkerFacts["serves"];
  measured: () => { activeBatches: number; lastFetchAgeMs: number };
}

export class Heartbeat {
  readonly #o: HeartbeatOptions;
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOK_MS });
  #facts: WorkerFacts;
  #timers: NodeJS.Timeout[] = [];
  /** Beats go one after the other: an old one must not overtake a newer one, nor the withdrawal. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #withdrawn = false;
  /** On the monotonic clock, ms: when Redis last took a word, and since when it has taken every one. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #answersSince = Number.POSITIVE_INFINITY;

  constructor(options: HeartbeatOptions) {
    this.#o = options;
    this.#facts = {
      id: options.id,
      process: thisProcess(),
      startedAt: new Date().toISOString(),
      version: options.version,
      schema: SCHEMA_VERSION,
      state: "starting",
      lockOwners: options.lockOwners,
      serves: options.serves,
      vitals: null,
    };
  }

  get state(): WorkerState {
    return this.#facts.state;
  }

  /** Enters the worker; from here on it is known. Rejects when Redis does not take it. */
  async start(): Promise<void> {
    this.#loop.enable();
    await this.#measure();
    await this.#o.registry.beat(this.#facts, { heartbeat: true });
    this.#answered(true);
    this.#every(LIVE_MS, () => this.#beat({ heartbeat: false }));
    this.#every(HEARTBEAT_MS, () => this.#heartbeat());
  }

  /** Holds from now on; the fleet sees it as soon as Redis has stored it. */
  enter(state: WorkerState): void {
    this.#facts = { ...this.#facts, state };
    void this.#heartbeat();
  }

  /** Resolves when the fleet has been told that this worker is no more. Rejects where Redis does not take it. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#loop.disable();
    await this.#last;
    await this.#o.registry.withdraw(this.#facts.id);
  }

  /** Redis takes our word: the connection stands and answered not long ago. */
  redisAnswers(): boolean {
    return this.#o.redis.status === "ready" && performance.now() - this.#answeredAt < SILENT_MS;
  }

  /** For how long Redis has answered without a break, ms. */
  answersForMs(): number {
    return this.redisAnswers() ? Math.max(0, performance.now() - this.#answersSince) : 0;
  }

  #every(ms: number, what: () => Promise<void>): void {
    this.#timers.push(setInterval(() => void what(), ms).unref());
  }

  async #heartbeat(): Promise<void> {
    await this.#measure();
    await this.#beat({ heartbeat: true });
  }

  /** The event loop's delay is that since the last measurement. */
  async #measure(): Promise<void> {
    const asked = performance.now();
    await nextTurn();
    const responseMs = round(performance.now() - asked);
    const { activeBatches, lastFetchAgeMs } = this.#o.measured();
    const delay = (ns: number): number => (Number.isFinite(ns) ? round(ns / 1e6 - LOOK_MS) : 0);
    const vitals: WorkerVitals = {
      ...{
        responseMs,
        loopDelayP99Ms: delay(this.#loop.percentile(99)),
        loopDelayMaxMs: delay(this.#loop.max),
      },
      ...{ activeBatches, lastFetchAgeMs: Math.round(lastFetchAgeMs), rssBytes: process.memoryUsage.rss() },
    };
    this.#loop.reset();
    this.#facts = { ...this.#facts, vitals };
  }

  #beat(kind: { heartbeat: boolean }): Promise<void> {
    // Those that wait behind a Redis that hangs will say it all.
    if (this.#withdrawn || this.#waiting >= WAITING_BEATS) return this.#last;
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      try {
        if (this.#withdrawn) return;
        await this.#o.registry.beat(this.#facts, kind);
        this.#answered(true);
      } catch {
        this.#answered(false);
      } finally {
        this.#waiting--;
      }
    });
    return this.#last;
  }

  #answered(well: boolean): void {
    const now = performance.now();
    const broken = !well || now - this.#answeredAt > SILENT_MS;
    if (!well) this.#answersSince = Number.POSITIVE_INFINITY;
    else if (broken) this.#answersSince = now;
    if (well) this.#answeredAt = now;
  }
}
