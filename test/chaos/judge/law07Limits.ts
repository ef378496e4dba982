/** Law 7: never more requests in any rolling window than allowed, none while told to wait; for the whole fleet. */
import { type Upstream, upstreamNames } from "../../../src/simulator/types.ts";
import type { HistoryEvent } from "../history.ts";
import type { LawMaker } from "./law.ts";

/** From the moment at which a process knew, what may already be on its way from another one, ms. */
const ON_ITS_WAY_MS = 250;

type Request = Extract<HistoryEvent, { k: "request" }>;

export const limits: LawMaker = ({ plan, facts, events }, { breach, looked }) => {
  const counted = new Map<string, number>();

  const windows = (p: Upstream, requests: Request[]): void => {
    const { max, windowMs } = plan.rates[p];
    const arrivals = requests.map(({ r }) => r.monotonicMs).sort((a, b) => a - b);
    for (let i = max; i < arrivals.length; i++) {
      looked();
      const span = arrivals[i]! - arrivals[i - max]!;
      if (span < windowMs) {
        const at = requests.find(({ r }) => r.monotonicMs === arrivals[i])!.t;
        breach(
          `${p}: ${max + 1} requests within ${span.toFixed(0)} ms, ${max} in ${windowMs} ms are allowed`,
          at,
        );
      }
    }
  };

  /** When somebody of the fleet knew of the wait: what its log says. */
  const knownAt = (p: string, told: number, until: number): number | undefined =>
    events.find(
      (event) =>
        event.k === "log" &&
        event.line.event === "upstream_wait" &&
        event.line.upstream === p &&
        event.t >= told - 5 &&
        event.t <= until,
    )?.t;

  const waits = (p: Upstream, requests: Request[]): void => {
    for (const { t, r } of requests) {
      if (r.retryAfter <= 0 || r.answeredMs === null) continue;
      const told = t + r.answeredMs;
      const until = told + r.retryAfter * 1000 * plan.waitScale;
      const known = knownAt(p, told, until);
      // Whoever got the answer died, or slept, with it: nobody else can know.
      if (known === undefined) continue;
      looked();
      for (const late of requests) {
        if (late.t <= known + ON_ITS_WAY_MS || late.t >= until - 2) continue;
        const early = (until - late.t).toFixed(0);
        breach(`${p}: a request ${early} ms before the end of the wait that an answer had asked for`, late.t);
      }
    }
  };

  return {
    event(event) {
      if (event.k === "fx" && event.e.fx === "counted") {
        counted.set(event.e.p, (counted.get(event.e.p) ?? 0) + 1);
      }
    },
    end() {
      for (const p of upstreamNames) {
        const requests = facts.requests.filter(({ r }) => r.upstream === p);
        windows(p, requests);
        waits(p, requests);
        looked();
        const said = counted.get(p) ?? 0;
        if (requests.length > said) {
          breach(`${p}: ${requests.length} requests arrived, the runs counted ${said}`);
        }
      }
    },
  };
};
