/** What a law is to the verifier: it sees every event with the model as it was before, and says what breaks it. */

import type { HistoryEvent } from "../history.ts";
import { type Plan, providerOf } from "../plan.ts";
import type { Model } from "./model.ts";

export interface Breach {
  law: number;
  /** ms since the hunt began; undefined for what holds at the end. */
  at: number | undefined;
  what: string;
}

export interface Court {
  readonly model: Model;
  readonly plan: Plan;
  readonly events: readonly HistoryEvent[];
  /** ms since the epoch. */
  readonly begun: number;
  readonly facts: Facts;
}

export interface Report {
  breach(what: string, at?: number): void;
  /** Something was held against the law: laws that looked at nothing prove nothing. */
  looked(times?: number): void;
}

export interface Law {
  event?(event: HistoryEvent): void;
  end?(): void;
}

export type LawMaker = (court: Court, report: Report) => Law;

/** What several laws ask about the whole hunt. */
export class Facts {
  readonly #events: readonly HistoryEvent[];
  readonly requests: Extract<HistoryEvent, { k: "request" }>[];
  readonly truths: Extract<HistoryEvent, { k: "truth" }>[];
  /** Spans in which Redis, a line or a process was not itself, ms since the epoch. */
  readonly troubles: { from: number; to: number; what: string }[];

  constructor(events: readonly HistoryEvent[]) {
    this.#events = events;
    this.requests = events.filter((event) => event.k === "request");
    this.truths = events.filter((event) => event.k === "truth");
    this.troubles = [...spansOf(events)];
  }

  finals(when: "increment" | "full"): Extract<HistoryEvent, { k: "final" }>[] {
    return this.#events.filter((event) => event.k === "final" && event.when === when) as Extract<
      HistoryEvent,
      { k: "final" }
    >[];
  }

  /** What the upstream held at this moment; undefined when it changed too near to it to tell. */
  truthAt(p: string, from: number, to: number, slackMs = 100): Map<string, number | null> | undefined {
    let last: Extract<HistoryEvent, { k: "truth" }> | undefined;
    let since = Number.NEGATIVE_INFINITY;
    for (const event of this.#events) {
      if (event.k === "changing" && event.p === p) since = event.t;
      if (event.k !== "truth" || event.p !== p) continue;
      if (since < to + slackMs && event.t > from - slackMs) return undefined;
      if (event.t <= from) last = event;
      since = Number.POSITIVE_INFINITY;
    }
    return last && new Map(last.versions);
  }

  /** The upstream's answer was untrue in a way that no client can detect from that answer alone. */
  lied(p: string, from: number, to: number): boolean {
    return this.requests.some(
      ({ t, r }) =>
        providerOf(r.upstream) === p && t >= from - 100 && t <= to && r.fault !== null && lies.test(r.fault),
    );
  }

  troubled(from: number, to: number): boolean {
    return this.troubles.some((span) => span.from <= to && span.to >= from);
  }
}

/** The faults of the catalogue that give a well-formed answer with untrue content. */
const lies =
  /stale-page|index-missing-domain|bad-record|bundle-missing|total-jitter|duplicate-record|empty-200|short-page/;

function* spansOf(events: readonly HistoryEvent[]): Generator<{ from: number; to: number; what: string }> {
  const open = new Map<string, number>();
  for (const event of events) {
    if (event.k === "redis") open.set("redis", event.t);
    if (event.k === "redis-back") {
      yield { from: open.get("redis") ?? event.t, to: event.t, what: `redis ${event.what}` };
    }
    if (event.k === "held") yield { from: event.from, to: event.to, what: `worker ${event.slot} asleep` };
    if (event.k === "act" && event.detail === "begins" && /^line-|client-kill/.test(event.kind)) {
      const forMs = Number((JSON.parse(event.target) as { forMs?: number }).forMs ?? 0);
      yield { from: event.t, to: event.t + forMs, what: event.kind };
    }
  }
}
