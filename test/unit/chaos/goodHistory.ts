/** A small history in which every law holds: each provider is mirrored once in full. Tests doctor it. */
import { findProvider } from "../../../src/providers/registry.ts";
import { jobId } from "../../../src/queues/jobCatalog.ts";
import { type StandIn, type Upstream, upstreamNames } from "../../../src/simulator/types.ts";
import type { By, Effect, FinalProvider, HistoryEvent } from "../../chaos/history.ts";
import { makePlan } from "../../chaos/plan.ts";

export const BEGUN = Date.parse("2026-01-02T03:04:05.000Z");
export const MODIFIED = BEGUN - 1_000_000;
const PERMITS = 4;

export const runOf = (p: string): string => `${p}-run`;
export const idsOf = (p: string): string[] => [0, 1, 2, 3, 4, 5].map((n) => `${p.toUpperCase()}-${n}`);
export const FENCE = "1000";

/** The events may be changed at will: every call makes new ones. */
export function goodHistory(): HistoryEvent[] {
  const plan = { ...makePlan({ seed: 1, minutes: 0.01 }), actions: [], waitScale: 1 };
  const events: HistoryEvent[] = [{ t: BEGUN, k: "begin", plan, secrets: ["s3cret"], commit: null }];
  events.push({
    t: BEGUN + 1,
    k: "snapshot",
    why: "start",
    s: { providers: {}, machines: {}, leases: {}, breakers: {} },
  });
  for (const p of upstreamNames) {
    const versions = idsOf(p).map((id): [string, number | null] => [id, p === "cve" ? MODIFIED : null]);
    events.push({ t: BEGUN + 2, k: "truth", p, versions });
  }
  let t = BEGUN + 5_000;
  for (const p of upstreamNames) {
    events.push(...runEvents(p, t));
    t += 5_000;
  }
  for (const when of ["increment", "full"] as const) {
    for (const p of upstreamNames) {
      t += 10;
      events.push({
        ...{ t, k: "run-end", when, why: "" },
        r: {
          ...{ provider: p, runId: runOf(p), mode: "full", state: "complete", fetched: 6, created: 6 },
          ...{ updated: 0, unchanged: 0, removed: 0, deadLettered: 0, error: null },
        },
      });
      events.push({ t, k: "final", p, when, f: finalOf(p) });
    }
  }
  events.push({ t, k: "audit", findings: [], used: 0, size: PERMITS });
  events.push({ t, k: "injected", counts: {}, violations: { keyLeaks: 0 } });
  events.push({ t, k: "secrets", searched: { logs: 10, redis: 10, commands: 10 }, found: [] });
  events.push({ t, k: "end" });
  return events;
}

let permitsUsed = 0;

function runEvents(p: Upstream, from: number): HistoryEvent[] {
  const run = runOf(p);
  const out: HistoryEvent[] = [];
  let t = from;
  const fx = (e: Effect): void => {
    t += 20;
    out.push({ t, k: "fx", e });
  };
  const by = (script: string, batch?: string): By => ({
    script,
    run,
    ...(batch === undefined ? {} : { batch, fence: FENCE }),
  });
  let version = 0;
  const move = (old_state: string, new_state: string, trigger: string): void => {
    version++;
    const fields = {
      old_state,
      new_state,
      trigger,
      version: String(version),
      actor: "a",
      actor_kind: "engine",
    };
    fx({ fx: "machine", machine: p, set: { state: new_state, version: String(version) } });
    fx({ fx: "transition", machine: p, fields });
  };
  permitsUsed = 0;
  fx({ fx: "open", p, run, by: by("openRun") });
  const opened = { state: "open", mode: "full", startedAt: new Date(t).toISOString(), watermarkBefore: "" };
  fx({ fx: "run", p, run, set: opened, by: by("openRun") });
  for (const n of [1, 2, 3]) {
    fx({ fx: "planned", p, run, batch: `b${n}`, kind: "batch", size: 2, by: by("openRun") });
    fx({ fx: "status", p, run, batch: `b${n}`, status: "p1", by: by("openRun") });
    fx({ fx: "order", p, run, place: `1:${n}`, batch: `b${n}` });
  }
  move("IDLE", "ACQUIRING", "open_run");
  move("ACQUIRING", "RUNNING", "permits_granted");
  let seq = 0;
  for (const n of [1, 2, 3]) {
    const batch = `b${n}`;
    const lease = `${p}:${n}`;
    const until = (t + 12_000) * 1000;
    permitsUsed = 1;
    fx({ fx: "lease", lease, until, weight: 1, p, fence: String(n), by: { script: "acquire" } });
    fx({ fx: "pool", size: PERMITS, taken: 0, used: permitsUsed, by: { script: "acquire" } });
    fx({ fx: "fence", p, run, batch, fence: FENCE, by: { script: "beginAttempt", run, batch } });
    fx({ fx: "counted", p, run, by: null });
    out.push(request(p, t + 1));
    const ids = idsOf(p).slice(2 * (n - 1), 2 * n);
    for (const id of ids) {
      seq++;
      fx({ fx: "change", p, seq, op: "c", id, run, by: by("commit", batch) });
    }
    const fetchedAt = t * 1000;
    const versions = ids.map((id) => ({ id, fetchedAt, lastModified: p === "cve" ? MODIFIED : null }));
    fx({ fx: "versions", p, versions, by: by("commit", batch) });
    fx({ fx: "seen", p, run, marks: ids.map((id) => [id, `c1:${fetchedAt}`]), by: by("commit", batch) });
    fx({ fx: "status", p, run, batch, status: "c1", by: by("checkpoint", batch) });
    fx({ fx: "run", p, run, set: { "prefix:1": String(n), checkpoint: "urn" }, by: by("checkpoint", batch) });
    fx({ fx: "lease-end", leases: [lease], by: { script: "release", batch: lease, fence: String(n) } });
    fx({ fx: "pool", size: PERMITS, taken: 0, used: 0, by: { script: "release" } });
  }
  fx({ fx: "fence", p, run, batch: "finish/1", fence: FENCE, by: { script: "beginAttempt", run } });
  const finish = by("closeRun", "finish/1");
  fx({ fx: "run", p, run, set: { state: "closing", verdict: "{}" }, by: by("beginClosing", "finish/1") });
  fx({ fx: "run", p, run, set: { state: "closed", result: "complete", endedAt: "x" }, by: finish });
  const watermark = new Date(MODIFIED).toISOString();
  fx({ fx: "meta", p, set: { verifiedAt: "x", watermark }, by: finish });
  fx({ fx: "open", p, run: null, by: finish });
  move("RUNNING", "TERMINATED", "finish");
  return out;
}

let arrivals = 0;

export function request(p: StandIn, t: number): Extract<HistoryEvent, { k: "request" }> {
  arrivals++;
  return {
    ...{ t, k: "request" },
    r: {
      ...{ n: arrivals, upstream: p, monotonicMs: t - BEGUN, status: 200, fault: null, retryAfter: 0 },
      ...{ answeredMs: 1, elsewhere: false, apiKey: p === "cve" },
    },
  };
}

function finalOf(p: Upstream): FinalProvider {
  const digests = Object.fromEntries(idsOf(p).map((id) => [id, `digest of ${id}`]));
  const perRecord = idsOf(p).map((id, i) => ({ seq: i + 1, op: "c", id, run: runOf(p), fields: "" }));
  const counts = JSON.stringify({ created: 6, updated: 0, removed: 0 });
  const summary = { seq: 1, op: "s", id: "*", run: runOf(p), fields: counts };
  return {
    ...{
      store: digests,
      upstream: { ...digests },
      tombstones: [],
      index: idsOf(p),
      recordKeys: idsOf(p),
      linksApart: [],
    },
    changes: findProvider(p)?.changes === "summary" ? [summary] : perRecord,
    runs: {
      [runOf(p)]: {
        fields: {
          state: "closed",
          result: "complete",
          mode: "full",
          created: "6",
          updated: "0",
          removed: "0",
        },
        statuses: { b1: "c1", b2: "c1", b3: "c1" },
      },
    },
    machine: { state: "TERMINATED", version: 3 },
    ...{ failed: [], jobs: { waiting: 0, active: 0, delayed: 0, failed: 0 }, rawMissing: [], letters: {} },
    transitions: [
      { version: "1", old_state: "IDLE", new_state: "ACQUIRING" },
      { version: "2", old_state: "ACQUIRING", new_state: "RUNNING" },
      { version: "3", old_state: "RUNNING", new_state: "TERMINATED" },
    ],
  };
}

export const deadJob = (p: string, batch: string): string => jobId({ runId: runOf(p), batch, generation: 1 });
