/**
 * Keeps N worker processes at work on one machine. One that ends is started again, with back-off; one that hangs, that the
 * fleet receives no heartbeats from, or that gets no answer from its queues is killed first. One that dies too often is given up: the
 * others go on.
 *
 * Misses are counted only in rounds that ran on time: after a sleep of the whole machine, or while Redis is away or has
 * only just come back, no worker is killed for missing heartbeats.
 */
import type { Logger } from "../../core/logger.ts";
import { HEARTBEAT_MS } from "../../recovery/workerRegistry.ts";
import type { SpawnWorker } from "./channel.ts";
import { type RestartPolicy, restartPolicy, Slot, type SupervisionEvent } from "./slot.ts";

export type { SupervisionEvent } from "./slot.ts";

export interface SupervisorTiming {
  /** Between two rounds, ms. */
  pingMs: number;
  /** Pings in a row that may go unanswered: of one at work, and of one that starts. */
  pingsMissed: { working: number; starting: number };
  /** Heartbeats in a row that may be missing. */
  beatsMissed: number;
  /** For how long Redis must have answered before missing heartbeats say something, ms. */
  redisWellMs: number;
  policy: RestartPolicy;
}

const supervisorTiming: SupervisorTiming = {
  pingMs: 5_000,
  pingsMissed: { working: 3, starting: 12 },
  beatsMissed: 3,
  redisWellMs: 4 * HEARTBEAT_MS,
  policy: restartPolicy,
};

const levels: Record<SupervisionEvent["event"], "info" | "warn" | "error"> = {
  worker_started: "info",
  worker_lost: "warn",
  worker_killed: "warn",
  worker_restarted: "info",
  crash_loop: "error",
};

export interface SupervisorOptions {
  count: number;
  spawn: SpawnWorker;
  /** Heartbeats that each worker of the fleet has missed, by id. Rejects, or takes its time, when Redis is away. */
  missedBeats: () => Promise<ReadonlyMap<string, number>>;
  logger: Logger;
  onEvent?: (happened: SupervisionEvent) => void;
  timing?: Partial<SupervisorTiming>;
}

export class Supervisor {
  readonly #o: SupervisorOptions;
  readonly #timing: SupervisorTiming;
  readonly #slots: Slot[];
  readonly #watchers = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #roundAt = performance.now();
  /** Since when every look into Redis has been answered within a round. */
  #redisWellSince: number | undefined;
  #looking = false;

  constructor(options: SupervisorOptions) {
    this.#o = options;
    this.#timing = { ...supervisorTiming, ...options.timing };
    const { policy, pingsMissed } = this.#timing;
    const { spawn, logger } = options;
    const tell = (happened: SupervisionEvent) => this.#tell(happened);
    const onState = () => this.#stateChanged();
    this.#slots = Array.from(
      { length: options.count },
      (_, i) => new Slot({ slot: i + 1, spawn, policy, pingsMissed, tell, onState, logger }),
    );
  }

  start(): void {
    for (const slot of this.#slots) slot.happen("due");
    this.#roundAt = performance.now();
    this.#timer = setInterval(() => this.#round(), this.#timing.pingMs);
  }

  /** The processes that run now. */
  get pids(): number[] {
    return this.#slots.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Resolves when no worker is left: all were given up, or have ended. */
  gone(): Promise<void> {
    return this.#when(() => this.#slots.every(({ state }) => state === "gave_up" || state === "ended"));
  }

  /** SIGTERM to all; SIGKILL to those that remain after the deadline. Resolves with how many did not stop and were killed. */
  async stop(deadlineMs: number): Promise<{ forced: number }> {
    clearInterval(this.#timer);
    for (const slot of this.#slots) slot.happen("stop");
    let forced = 0;
    const timer = setTimeout(() => {
      for (const slot of this.#slots) {
        if (slot.state === "stopping") forced++;
        slot.happen("late", `it did not stop within ${deadlineMs} ms`);
      }
    }, deadlineMs);
    await this.gone();
    clearTimeout(timer);
    return { forced };
  }

  /** SIGKILL, now, to all: for the last instant of our own process. */
  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  #round(): void {
    const now = performance.now();
    const slept = now - this.#roundAt > 2 * this.#timing.pingMs;
    this.#roundAt = now;
    if (slept) {
      this.#redisWellSince = undefined;
      for (const slot of this.#slots) slot.excuse();
    }
    for (const slot of this.#slots) slot.ping();
    // A look that is still under way has taken a whole round: Redis is not well.
    if (this.#looking) this.#redisWellSince = undefined;
    else void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      const asked = performance.now();
      const missed = await this.#o.missedBeats();
      this.#redisWellSince ??= asked;
      if (asked - this.#redisWellSince < this.#timing.redisWellMs) return;
      for (const slot of this.#slots) {
        const beats = slot.worker === null ? 0 : (missed.get(slot.worker) ?? 0);
        if (beats >= this.#timing.beatsMissed) slot.happen("beats_missed", `it missed ${beats} heartbeats`);
      }
    } catch {
      this.#redisWellSince = undefined;
    } finally {
      this.#looking = false;
    }
  }

  #tell(happened: SupervisionEvent): void {
    const code = happened.event === "crash_loop" ? { code: "SYS_CRASH_LOOP" } : {};
    // `pid` is the log's own word for the process that writes.
    const { pid: workerPid, ...facts } = { pid: undefined, ...happened };
    this.#o.logger[levels[happened.event]]({ ...facts, workerPid, ...code }, inWords(happened));
    this.#o.onEvent?.(happened);
  }

  #stateChanged(): void {
    for (const look of [...this.#watchers]) look();
  }

  #when(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

export function inWords(happened: SupervisionEvent): string {
  switch (happened.event) {
    case "worker_started":
      return `worker process ${happened.pid} started`;
    case "worker_lost":
      return `worker process ${happened.pid} ${happened.how}`;
    case "worker_killed":
      return `worker process ${happened.pid} was killed: ${happened.why}`;
    case "worker_restarted":
      return `worker process ${happened.pid} takes its place after ${(happened.afterMs / 1000).toFixed(1)} s`;
    case "crash_loop":
      return (
        `a worker died again after ${happened.restarts} restarts within ${happened.windowMs / 1000} s ` +
        `(the last one ${happened.how}); it is given up, the others go on`
      );
  }
}
