/** The simulator's own clock, and changes that wait for requests. */
import { UeeError } from "../core/errors.ts";
import { parseTime } from "../core/time.ts";
import type { ChangeReport, ScheduledChange, StandIn } from "./types.ts";

/** ms of a time given as ms or ISO; throws VAL_DATE. */
export function timeOf(time: number | string): number {
  const ms = typeof time === "number" ? time : parseTime(time);
  if (ms === undefined) throw new UeeError("VAL_DATE", `'${time}' is not a time.`);
  return ms;
}

/** The true time, or another one at the same pace. */
export class SimulatedClock {
  readonly #real: () => number;
  #offset = 0;

  constructor(real: () => number) {
    this.#real = real;
  }

  now(): number {
    return this.#real() + this.#offset;
  }

  set(now: number | string | undefined): void {
    this.#offset = now === undefined ? 0 : timeOf(now) - this.#real();
  }
}

interface Waiting {
  upstream: StandIn;
  left: number;
  scheduled: ScheduledChange;
  done: (report: ChangeReport) => void;
}

/** Content changes while a client pages: after a number of requests, before the next one is answered. */
export class Schedule {
  readonly #apply: (change: ScheduledChange["change"], upstream: StandIn) => ChangeReport;
  #waiting: Waiting[] = [];

  constructor(apply: (change: ScheduledChange["change"], upstream: StandIn) => ChangeReport) {
    this.#apply = apply;
  }

  /** Resolves with the changes, once they happened. */
  add(scheduled: ScheduledChange): Promise<ChangeReport> {
    const { change } = scheduled;
    const upstream = scheduled.upstream ?? ("point" in change ? "cve" : (change.provider ?? "cve"));
    return new Promise((done) => {
      this.#waiting.push({ upstream, left: scheduled.afterRequests, scheduled, done });
    });
  }

  /** A request has reached the upstream. */
  arrived(upstream: StandIn): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((one) => one.upstream === upstream && one.left-- <= 0);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { scheduled, done } of due) done(this.#apply(scheduled.change, upstream));
  }
}
