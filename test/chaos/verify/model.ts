/** The store as its effects built it up, followed event by event; laws look at it between two effects. */
import type { By, Effect, HistoryEvent, ProviderSnapshot, Version } from "../history.ts";

export interface RunModel {
  id: string;
  fields: Record<string, string>;
  statuses: Map<string, string>;
  fences: Map<string, string>;
  order: Map<string, string>;
  marks: Map<string, string>;
  /** ms; of the effect that opened it, or of the snapshot it was first met in. */
  since: number;
  closedAt: number | undefined;
}

export interface ProviderModel {
  openRun: string | null;
  meta: Record<string, string>;
  versions: Map<string, Version>;
  /** id → µs of its removal. */
  removed: Map<string, number>;
  runs: Map<string, RunModel>;
  failed: Set<string>;
  letters: Map<string, Record<string, string>>;
  changeSeq: number;
}

export interface LeaseModel {
  until: number;
  weight: number;
  p: string;
  fence: string;
  /** Its holder gave it back, or it ended; Redis forgot that: the pool counts it, no process works under it. */
  ended?: boolean;
}

const LEASE_MS = 12_000;

const emptyRun = (id: string, since: number): RunModel => ({
  ...{ id, fields: {}, statuses: new Map(), fences: new Map(), order: new Map(), marks: new Map() },
  ...{ since, closedAt: undefined },
});

export class Model {
  readonly providers = new Map<string, ProviderModel>();
  readonly machines = new Map<string, { state: string; version: number }>();
  leases = new Map<string, LeaseModel>();
  /** Held by processes that live, and unknown to a Redis that forgot its last moments. */
  forgotten: LeaseModel[] = [];
  pool: { size: number; taken: number; used: number } | undefined;
  /** Every fence ever seen, whatever Redis forgot: they only grow. */
  readonly highestFence = new Map<string, number>();
  snapshots = 0;

  provider(p: string): ProviderModel {
    let found = this.providers.get(p);
    if (!found) {
      found = {
        ...{ openRun: null, meta: {}, versions: new Map(), removed: new Map(), runs: new Map() },
        ...{ failed: new Set<string>(), letters: new Map(), changeSeq: 0 },
      };
      this.providers.set(p, found);
    }
    return found;
  }

  run(p: string, id: string, at = 0): RunModel {
    const { runs } = this.provider(p);
    let found = runs.get(id);
    if (!found) {
      found = emptyRun(id, at);
      runs.set(id, found);
    }
    return found;
  }

  apply(event: HistoryEvent): void {
    if (event.k === "fx") this.#effect(event.t, event.e);
    if (event.k === "clock") this.#clock(event.t + event.beforeMs, event.t + event.offsetMs);
    if (event.k !== "snapshot") return;
    this.snapshots++;
    for (const [p, snapshot] of Object.entries(event.s.providers)) this.#reset(event.t, p, snapshot);
    this.machines.clear();
    for (const [machine, at] of Object.entries(event.s.machines)) this.machines.set(machine, at);
    const known = new Map(Object.entries(event.s.leases));
    for (const [lease, held] of this.leases) if (!known.has(lease)) this.forgotten.push(held);
    this.leases = new Map(
      [...known].map(([lease, held]) => [
        lease,
        { ...held, ended: this.leases.get(lease)?.ended ?? !this.leases.has(lease) },
      ]),
    );
  }

  #reset(at: number, p: string, snapshot: ProviderSnapshot): void {
    const own = this.provider(p);
    const { changeSeq, ...meta } = snapshot.meta;
    own.openRun = snapshot.openRun;
    own.meta = meta;
    own.changeSeq = Number(changeSeq ?? 0);
    own.versions = new Map(snapshot.versions.map((version) => [version.id, version]));
    own.failed = new Set(snapshot.failed);
    own.letters = new Map(Object.entries(snapshot.letters));
    const before = own.runs;
    own.runs = new Map();
    for (const [id, { fields, statuses, fences, order }] of Object.entries(snapshot.runs)) {
      const old = before.get(id);
      own.runs.set(id, {
        ...{ id, fields, since: old?.since ?? at, closedAt: fields.state === "closed" ? at : undefined },
        ...{ statuses: new Map(Object.entries(statuses)), fences: new Map(Object.entries(fences)) },
        ...{ order: new Map(Object.entries(order)), marks: old?.marks ?? new Map() },
      });
    }
  }

  /** A lease that Redis forgot ends as others do: a step of Redis' clock forward ends it, one back leaves it what was left, ms. */
  #clock(beforeMs: number, afterMs: number): void {
    this.forgotten = this.forgotten.flatMap((lease) => {
      const leftMs = Math.min(lease.until / 1_000 - beforeMs, LEASE_MS);
      return leftMs > 0 ? [{ ...lease, until: Math.min(lease.until, (afterMs + leftMs) * 1_000) }] : [];
    });
  }

  #effect(at: number, e: Effect): void {
    switch (e.fx) {
      case "run": {
        const run = this.run(e.p, e.run, at);
        Object.assign(run.fields, e.set);
        if (e.set.state === "closed") run.closedAt = at;
        break;
      }
      case "open":
        this.provider(e.p).openRun = e.run;
        break;
      case "order":
        this.run(e.p, e.run, at).order.set(e.place, e.batch);
        break;
      case "fence": {
        this.run(e.p, e.run, at).fences.set(e.batch, e.fence);
        const name = `${e.run}/${e.batch}`;
        this.highestFence.set(name, Math.max(this.highestFence.get(name) ?? 0, Number(e.fence)));
        break;
      }
      case "status":
        this.run(e.p, e.run, at).statuses.set(e.batch, e.status);
        break;
      case "seen": {
        const { marks } = this.run(e.p, e.run, at);
        for (const [id, mark] of e.marks) marks.set(id, mark);
        break;
      }
      case "versions": {
        const { versions } = this.provider(e.p);
        for (const version of e.versions) versions.set(version.id, version);
        break;
      }
      case "removed": {
        const { versions, removed } = this.provider(e.p);
        for (const id of e.ids) {
          versions.delete(id);
          removed.set(id, at * 1000);
        }
        break;
      }
      case "tombstones": {
        const { removed } = this.provider(e.p);
        for (const [id, us] of Object.entries(e.at)) removed.set(id, us);
        break;
      }
      case "change":
        this.provider(e.p).changeSeq = e.seq;
        break;
      case "meta":
        Object.assign(this.provider(e.p).meta, e.set);
        break;
      case "machine": {
        const { state, version } = e.set;
        if (state !== undefined) this.machines.set(e.machine, { state, version: Number(version) });
        break;
      }
      case "lease":
        this.leases.set(e.lease, {
          ...{ until: e.until, weight: e.weight, p: e.p, fence: e.fence },
          ended: this.leases.get(e.lease)?.ended ?? false,
        });
        break;
      case "lease-end":
        for (const lease of e.leases) this.leases.delete(lease);
        break;
      case "pool":
        this.pool = { size: e.size, taken: e.taken, used: e.used };
        break;
      case "letter": {
        const { letters } = this.provider(e.p);
        letters.set(e.id, { ...letters.get(e.id), ...e.set });
        break;
      }
      case "letter-gone":
        this.provider(e.p).letters.delete(e.id);
        break;
      case "failed":
        for (const id of e.ids) this.provider(e.p).failed.add(id);
        break;
      case "unfailed":
        for (const id of e.ids ?? []) this.provider(e.p).failed.delete(id);
        break;
    }
  }
}

/** As evidence says it. */
export const byText = (by: By | null): string =>
  by === null
    ? "no script"
    : `${by.script}${by.run ? ` of ${by.run}` : ""}${by.batch ? ` ${by.batch}` : ""}${by.fence ? ` (fence ${by.fence})` : ""}`;
