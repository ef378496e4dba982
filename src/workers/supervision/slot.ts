/** One of the workers that a supervisor keeps: its process, and its states by the table in workerMachine.ts. */
import type { Logger } from "../../core/logger.ts";
import { isMove, stepOf } from "../../machines/defineMachine.ts";
import type { Pong, SpawnWorker, WorkerProcess } from "./channel.ts";
import { entryOf, type SlotEvent, type SlotState, workerMachine } from "./workerMachine.ts";

/** What happened to a worker, for the log and for observers. */
export type SupervisionEvent =
  | { event: "worker_started"; slot: number; pid: number }
  | { event: "worker_lost"; slot: number; pid: number; worker: string | null; how: string }
  | { event: "worker_killed"; slot: number; pid: number; why: string }
  /** Takes batches again so long after it was lost. */
  | { event: "worker_restarted"; slot: number; pid: number; afterMs: number }
  | { event: "crash_loop"; slot: number; restarts: number; windowMs: number; how: string };

export interface SlotOptions {
  slot: number;
  spawn: SpawnWorker;
  policy: RestartPolicy;
  /** Pings in a row that may go unanswered: of one at work, and of one that starts. */
  pingsMissed: { working: number; starting: number };
  tell: (happened: SupervisionEvent) => void;
  /** The state has changed. */
  onState: () => void;
  logger: Logger;
}

export class Slot {
  readonly #o: SlotOptions;
  readonly #afterDeath: () => number | undefined;
  #state: SlotState = workerMachine.initial;
  #process: WorkerProcess | undefined;
  #worker: string | null = null;
  #timer: NodeJS.Timeout | undefined;
  #pings = 0;
  #answered = true;
  #missed = 0;
  #lostAt: number | undefined;

  constructor(options: SlotOptions) {
    this.#o = options;
    this.#afterDeath = restartBudget(options.policy);
  }

  get state(): SlotState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Its worker's id among the fleet's; null until it has said so. */
  get worker(): string | null {
    return this.#worker;
  }

  /** `why` goes with what follows: the reason of a kill. */
  happen(event: SlotEvent, why = workerMachine.events[event]): void {
    const step = stepOf(workerMachine, this.#state, event);
    if (step === undefined || !isMove(step)) return;
    const from = this.#state;
    this.#state = step.to;
    clearTimeout(this.#timer);
    this.#o.logger.debug({ event: "slot", slot: this.#o.slot, from, to: step.to, trigger: event }, why);
    const action = entryOf[step.to];
    if (action === "spawn") this.#spawn();
    else if (action !== undefined) this.#end(action, from, why);
    this.#o.onState();
  }

  /** One round: counts the ping before as missed where it was not answered, and sends the next. */
  ping(): void {
    const most = this.#o.pingsMissed[this.#state === "starting" ? "starting" : "working"];
    if (!this.#answered && ++this.#missed >= most) {
      this.happen("silent", `it has not answered ${this.#missed} pings in a row`);
    }
    if (this.#process === undefined) return;
    this.#answered = false;
    this.#process.ping(++this.#pings);
  }

  /** We slept ourselves: what was not answered meanwhile says nothing. */
  excuse(): void {
    this.#missed = 0;
    this.#answered = true;
  }

  /** SIGKILL, whatever the state: we are ending this instant. */
  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  #spawn(): void {
    this.#worker = null;
    this.excuse();
    const process = this.#o.spawn({
      onPong: (answer) => this.#heard(process, answer),
      onExit: (how) => this.#exited(process, how),
    });
    this.#process = process;
    this.#o.tell({ event: "worker_started", slot: this.#o.slot, pid: process.pid });
  }

  #heard(process: WorkerProcess, answer: Pong): void {
    if (process !== this.#process) return;
    this.excuse();
    this.#worker = answer.worker;
    if (!answer.live) this.happen("deaf", answer.reasons.join("; "));
    if (!answer.ready || this.#state !== "starting") return;
    this.happen("ready");
    if (this.#lostAt === undefined) return;
    const afterMs = Math.round(performance.now() - this.#lostAt);
    this.#lostAt = undefined;
    this.#o.tell({ event: "worker_restarted", slot: this.#o.slot, pid: process.pid, afterMs });
  }

  #exited(process: WorkerProcess, how: string): void {
    if (process !== this.#process) return;
    this.#process = undefined;
    const { slot } = this.#o;
    const told = this.#state === "stopping" || this.#state === "forcing";
    if (!told) {
      this.#lostAt ??= performance.now();
      this.#o.tell({ event: "worker_lost", slot, pid: process.pid, worker: this.#worker, how });
    }
    this.happen("exited", how);
    if (this.#state !== "waiting") return;
    const waitMs = this.#afterDeath();
    if (waitMs !== undefined) {
      this.#timer = setTimeout(() => this.happen("due"), waitMs);
      return;
    }
    const { restarts, windowMs } = this.#o.policy;
    this.#o.tell({ event: "crash_loop", slot, restarts, windowMs, how });
    this.happen("budget_spent", how);
  }

  #end(signal: "SIGTERM" | "SIGKILL", from: SlotState, why: string): void {
    // Already killed, and now nothing shall follow it.
    if (from === "killing") return;
    if (signal === "SIGKILL" && this.#process !== undefined) {
      this.#o.tell({ event: "worker_killed", slot: this.#o.slot, pid: this.#process.pid, why });
    }
    this.#process?.kill(signal);
  }
}

/** When a worker that died is started again, and when it is given up. */
export interface RestartPolicy {
  /** Wait before the first restart, ms; doubled for each further one within the window. */
  firstMs: number;
  longestMs: number;
  /** Restarts within the window; one more death is a crash loop. */
  restarts: number;
  windowMs: number;
}

export const restartPolicy: RestartPolicy = {
  firstMs: 500,
  longestMs: 30_000,
  restarts: 5,
  windowMs: 60_000,
};

/** Called after each death: the wait before the next start, ms; undefined when the window's restarts are used up. */
export function restartBudget(
  { firstMs, longestMs, restarts, windowMs }: RestartPolicy,
  now: () => number = () => performance.now(),
): () => number | undefined {
  let made: number[] = [];
  return () => {
    made = made.filter((at) => now() - at < windowMs);
    if (made.length >= restarts) return undefined;
    const waitMs = Math.min(longestMs, firstMs * 2 ** made.length);
    made.push(now() + waitMs);
    return waitMs;
  };
}
