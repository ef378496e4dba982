/** Content changes while a client pages: after a number of requests, before the next one is answered. */
import type { ChangeReport, ScheduledChange, StandIn } from "./types.ts";

interface Waiting {
  upstream: StandIn;
  left: number;
  scheduled: ScheduledChange;
  done: (report: ChangeReport) => void;
}

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
