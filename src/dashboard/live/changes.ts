/**
 * Finds the changes in a new view of the fleet: states that differ from those sent last, and history entries that
 * were not sent yet.
 */
import type { EventData, EventName } from "../api/schemas.ts";
import type { FleetLook, RecentHistory } from "./fleetView.ts";

/** A state is sent again after this long even if only ages and amounts changed, ms. */
const TELL_AGAIN_MS = 10_000;

/**
 * Values that change continuously do not count as changes: ages, remaining times, renewed leases, heartbeats, memory.
 */
const moving = new Set([
  ...["at", "freshMs", "remainingMs", "durationMs", "lastBeatAt", "vitals", "expiresAt"],
  // Every call counts requests; only a breaker's state counts as a change.
  "counts",
  ...["waitingMs", "permitTimeMs", "usedMemory", "perSecond"],
]);

type StateName = "overview" | "kernel" | "permits" | "workers" | "breakers";

export interface News {
  readonly name: EventName;
  readonly data: unknown;
  readonly state: boolean;
}

const statesOf = (look: FleetLook): { [Name in StateName]: EventData[Name] } => ({
  overview: look.overview,
  kernel: { at: look.status.at, metrics: look.kernel },
  permits: look.permits,
  workers: { workers: [...look.workers] },
  breakers: { breakers: [...look.breakers] },
});

/** Everything, including what was sent before. */
export const presentState = (look: FleetLook): News[] =>
  Object.entries(statesOf(look)).map(([name, data]) => ({ name: name as StateName, data, state: true }));

export class StateChanges {
  readonly #told = new Map<string, { text: string; atMs: number }>();
  /** Machine → version of its last transition that was sent. */
  readonly #versions = new Map<string, number>();
  #lastQuota: string | undefined;
  #began = false;

  /** States first, then entries, oldest first. Entries from before the first view are not sent. */
  since(look: FleetLook, history: RecentHistory): News[] {
    const news: News[] = [];
    for (const [name, data] of Object.entries(statesOf(look))) {
      const text = JSON.stringify(data, (key, value) => (moving.has(key) ? undefined : value));
      const told = this.#told.get(name);
      if (told !== undefined && told.text === text && look.atMs - told.atMs < TELL_AGAIN_MS) continue;
      this.#told.set(name, { text, atMs: look.atMs });
      news.push({ name: name as StateName, data, state: true });
    }
    news.push(...this.#entries(history));
    this.#began = true;
    return news;
  }

  /** The next view is treated as the first one. */
  forget(): void {
    this.#told.clear();
    this.#versions.clear();
    this.#lastQuota = undefined;
    this.#began = false;
  }

  #entries(history: RecentHistory): News[] {
    const news: News[] = [];
    for (const entry of [...history.transitions].reverse()) {
      const machine = entry.provider ?? "macro";
      if (entry.version <= (this.#versions.get(machine) ?? 0)) continue;
      this.#versions.set(machine, entry.version);
      if (this.#began) news.push({ name: "transition", data: entry, state: false });
    }
    const newest = history.quotaEvents[0]?.id;
    for (const entry of [...history.quotaEvents].reverse()) {
      const isNew = this.#lastQuota === undefined || isAfter(entry.id, this.#lastQuota);
      if (isNew && this.#began) news.push({ name: "quota", data: entry, state: false });
    }
    this.#lastQuota = newest ?? this.#lastQuota;
    return news;
  }
}

/** Stream ids: `<ms>-<n>`. */
function isAfter(a: string, b: string): boolean {
  const [aMs = 0, aN = 0] = a.split("-").map(Number);
  const [bMs = 0, bN = 0] = b.split("-").map(Number);
  return aMs > bMs || (aMs === bMs && aN > bN);
}
