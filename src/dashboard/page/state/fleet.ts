/**
 * The page's data about the fleet, and how each event changes it. Pure functions; every list is bounded, so a page
 * that stays open for a week does not grow.
 */
import type {
  Breaker,
  EventData,
  EventName,
  KernelHistory,
  KernelMetrics,
  Overview,
  Permits,
  QuotaEvent,
  Transition,
  Worker,
} from "../../api/schemas.ts";

export type KernelSample = KernelHistory["samples"][number];

export interface Fleet {
  overview: Overview | null;
  kernel: KernelMetrics | null;
  /** Oldest first. */
  samples: readonly KernelSample[];
  sampleIntervalMs: number;
  permits: Permits | null;
  /** Includes those that died in the last ten minutes. */
  workers: readonly Worker[] | null;
  breakers: readonly Breaker[] | null;
  /** Newest first; null before they are read. */
  transitions: readonly Transition[] | null;
  quotaEvents: readonly QuotaEvent[] | null;
  /** Null: Redis answers. */
  trouble: { code: string | null; message: string | null; since: number } | null;
}

export const bounds = { samples: 1_440, transitions: 300, quotaEvents: 100 } as const;

export const emptyFleet: Fleet = {
  overview: null,
  kernel: null,
  samples: [],
  sampleIntervalMs: 5_000,
  permits: null,
  workers: null,
  breakers: null,
  transitions: null,
  quotaEvents: null,
  trouble: null,
};

type Steps = { [Name in EventName]: (fleet: Fleet, data: EventData[Name]) => Fleet };

const steps: Steps = {
  // Earlier data stays visible until the current state arrives, right after this event.
  reset: (fleet) => fleet,
  bye: (fleet) => fleet,
  pulse: (fleet, { at, redis, code, message }) => {
    if (redis === "ok") return fleet.trouble === null ? fleet : { ...fleet, trouble: null };
    return { ...fleet, trouble: { code, message, since: fleet.trouble?.since ?? Date.parse(at) } };
  },
  overview: (fleet, overview) => ({ ...fleet, overview }),
  kernel: (fleet, { at, metrics }) => ({
    ...fleet,
    kernel: metrics,
    samples: withSample(fleet, { at, ...metrics }),
  }),
  permits: (fleet, permits) => ({ ...fleet, permits }),
  workers: (fleet, { workers }) => ({ ...fleet, workers }),
  breakers: (fleet, { breakers }) => ({ ...fleet, breakers }),
  transition: (fleet, transition) => ({
    ...fleet,
    transitions: withNewest(fleet.transitions ?? [], [transition], bounds.transitions, transitionKey),
  }),
  quota: (fleet, event) => ({
    ...fleet,
    quotaEvents: withNewest(fleet.quotaEvents ?? [], [event], bounds.quotaEvents, ({ id }) => id),
  }),
};

export const applyEvent = <Name extends EventName>(fleet: Fleet, name: Name, data: EventData[Name]): Fleet =>
  steps[name](fleet, data);

const routineTriggers = new Set(["back_off", "wait_over", "permits_granted", "permits_denied"]);
/** Waits that a person may want to know of: an open breaker, Redis in trouble, a migration. */
const notable = /^(PROV_CIRCUIT_OPEN|SYS_REDIS_|STOR_)/;

/** The usual change between work and waits for a rate limit or a permit, and its echo in the fleet's machine. */
export const isRoutine = ({ trigger, reason, oldState, newState }: Transition): boolean =>
  (routineTriggers.has(trigger) && !notable.test(reason ?? "")) ||
  ["ORCHESTRATING STABILIZING", "STABILIZING ORCHESTRATING"].includes(`${oldState} ${newState}`);

export const transitionKey = ({ machine, provider, version, id }: Transition): string =>
  `${machine}/${provider ?? ""}/${version}/${id}`;

/** Data that was read over HTTP, merged with events that arrived meanwhile. */
export const withTransitions = (fleet: Fleet, read: readonly Transition[]): Fleet => ({
  ...fleet,
  transitions: newestFirst(withNewest(read, fleet.transitions ?? [], bounds.transitions, transitionKey)),
});

export const withQuotaEvents = (fleet: Fleet, read: readonly QuotaEvent[]): Fleet => ({
  ...fleet,
  quotaEvents: newestFirst(withNewest(read, fleet.quotaEvents ?? [], bounds.quotaEvents, ({ id }) => id)),
});

export function withKernelHistory(fleet: Fleet, { samples, intervalMs }: KernelHistory): Fleet {
  const last = samples.at(-1)?.at ?? "";
  const newer = fleet.samples.filter(({ at }) => at > last);
  return { ...fleet, samples: [...samples, ...newer].slice(-bounds.samples), sampleIntervalMs: intervalMs };
}

const newestFirst = <T extends { at: string }>(list: readonly T[]): readonly T[] =>
  [...list].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));

/** With the interval of the stored series, so that two hours of samples stay two hours. */
function withSample(fleet: Fleet, sample: KernelSample): readonly KernelSample[] {
  const last = fleet.samples.at(-1);
  const tooSoon =
    last !== undefined && Date.parse(sample.at) - Date.parse(last.at) < fleet.sampleIntervalMs * 0.8;
  return tooSoon ? fleet.samples : withLast(fleet.samples, sample, bounds.samples);
}

/** Newest first: prepends entries with new keys and drops the oldest. Returns the same list if nothing is new. */
export function withNewest<T>(
  list: readonly T[],
  added: readonly T[],
  most: number,
  keyOf: (item: T) => string,
): readonly T[] {
  const known = new Set(list.map(keyOf));
  const fresh = added.filter((item) => !known.has(keyOf(item)));
  if (fresh.length === 0) return list;
  return [...fresh, ...list].slice(0, most);
}

/** Oldest first: appends, and drops from the front. */
export const withLast = <T>(list: readonly T[], item: T, most: number): readonly T[] => [
  ...(list.length >= most ? list.slice(list.length - most + 1) : list),
  item,
];
