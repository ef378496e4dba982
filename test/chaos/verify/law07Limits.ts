/**
 * Law 7: never more requests in any rolling window than allowed, none while told to wait, none while a breaker is open but
 * its one probe; for the whole fleet.
 */
import { type StandIn, standIns } from "../../../src/simulator/types.ts";
import type { HistoryEvent } from "../history.ts";
import { fleetNameOf, providerOf } from "../plan.ts";
import type { LawMaker } from "./law.ts";

/** From the moment at which a process knew, what may already be on its way from another one, ms. */
const ON_ITS_WAY_MS = 250;

/** When a breaker opens, the others stop within this (docs/breakers.md), ms. */
const STOP_WITHIN_MS = 1_000;
const CLOCK_MS = 25;
/** Between a step of the clock and the first action by the new time. */
const CLOCK_STEP_MS = 500;

type Request = Extract<HistoryEvent, { k: "request" }>;

export const limits: LawMaker = ({ plan, facts, events }, { breach, looked }) => {
  const counted = new Map<string, number>();

  /** Redis' clock was set forward within these: slots and waits ended early (docs/reliability.md). */
  const forward = events.flatMap((event) =>
    event.k === "clock" && event.offsetMs > event.beforeMs ? [event.t] : [],
  );
  const setForward = (from: number, to: number): boolean =>
    forward.some((at) => at >= from - CLOCK_STEP_MS && at <= to + CLOCK_STEP_MS);

  const windows = (p: StandIn, requests: Request[]): void => {
    const { max, windowMs } = plan.rates[p];
    const arrivals = requests.map(({ r }) => r.monotonicMs).sort((a, b) => a - b);
    for (let i = max; i < arrivals.length; i++) {
      looked();
      const span = arrivals[i]! - arrivals[i - max]!;
      if (span < windowMs) {
        const at = requests.find(({ r }) => r.monotonicMs === arrivals[i])!.t;
        if (setForward(at - span, at)) continue;
        breach(
          `${p}: ${max + 1} requests within ${span.toFixed(0)} ms, ${max} in ${windowMs} ms are allowed`,
          at,
        );
      }
    }
  };

  /** When a worker of the fleet first knew of the wait, by its log. */
  const knownAt = (p: string, told: number, until: number): number | undefined =>
    events.find(
      (event) =>
        event.k === "log" &&
        event.line.event === "upstream_wait" &&
        event.line.upstream === p &&
        event.t >= told - 5 &&
        event.t <= until,
    )?.t;

  const waits = (p: StandIn, requests: Request[]): void => {
    for (const { t, r } of requests) {
      if (r.retryAfter <= 0 || r.answeredMs === null) continue;
      const told = t + r.answeredMs;
      const until = told + r.retryAfter * 1000 * plan.waitScale;
      const known = knownAt(fleetNameOf(p), told, until);
      // The worker that received the answer died or was frozen, and the others could not know of it.
      if (known === undefined) continue;
      looked();
      for (const late of requests) {
        if (late.t <= known + ON_ITS_WAY_MS || late.t >= until - 2) continue;
        if (setForward(told, late.t)) continue;
        const early = (until - late.t).toFixed(0);
        breach(`${p}: a request ${early} ms before the end of the wait that an answer had asked for`, late.t);
      }
    }
  };

  /** A redirect's answer belongs to the request that follows it. */
  const isRedirect = ({ r }: Request): boolean => r.status >= 301 && r.status <= 308 && r.status !== 304;

  const breakers = (p: StandIn, requests: Request[]): void => {
    const name = fleetNameOf(p);
    let now = { state: "closed", trigger: "", at: 0 };
    const checkUntil = (to: number): void => {
      const sent = requests.filter((one) => !isRedirect(one) && one.t < to - CLOCK_MS);
      if (now.state === "open") {
        looked();
        const from = now.at + CLOCK_MS + (now.trigger === "trip" ? STOP_WITHIN_MS : 0);
        for (const { t } of sent.filter((one) => one.t > from)) {
          breach(
            `${p}: a request ${(t - now.at).toFixed(0)} ms after its breaker opened by ${now.trigger}`,
            t,
          );
        }
      } else if (now.state === "half_open") {
        looked();
        const probes = sent.filter((one) => one.t > now.at - CLOCK_MS);
        if (probes.length > 1)
          breach(`${p}: ${probes.length} requests while its breaker was half open`, now.at);
      }
    };
    for (const event of events) {
      if (event.k === "snapshot") {
        checkUntil(event.t);
        // What a Redis forgot of a breaker, the fleet has forgotten with it.
        now = { state: event.s.breakers[name]?.state ?? "closed", trigger: "trip", at: event.t };
      } else if (event.k === "fx" && event.e.fx === "breaker" && event.e.upstream === name) {
        checkUntil(event.t);
        const { new_state: state = "", trigger = "" } = event.e.fields;
        now = { state, trigger, at: event.t };
      } else if (event.k === "healed") checkUntil(event.t);
    }
  };

  return {
    event(event) {
      if (event.k === "fx" && event.e.fx === "counted") {
        counted.set(event.e.p, (counted.get(event.e.p) ?? 0) + 1);
      }
    },
    end() {
      const arrived = new Map<string, number>();
      for (const p of standIns) {
        const requests = facts.requests.filter(({ r }) => r.upstream === p);
        windows(p, requests);
        waits(p, requests);
        breakers(p, requests);
        // Runs of CVE count what they ask of the feeds too.
        const provider = providerOf(p)!;
        arrived.set(provider, (arrived.get(provider) ?? 0) + requests.length);
      }
      for (const [p, requests] of arrived) {
        looked();
        const said = counted.get(p) ?? 0;
        if (requests > said) breach(`${p}: ${requests} requests arrived, the runs counted ${said}`);
      }
    },
  };
};
