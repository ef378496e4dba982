/** Histories doctored so that the laws of the fleet (4 to 9), or the history itself, are broken, each in one way. */
import type { HistoryEvent } from "../../chaos/history.ts";
import { type Doctored, effect, final, insertAt } from "./doctor.ts";
import { BEGUN, request, runOf } from "./goodHistory.ts";

/** All permits were held for so long yet, ms, when Redis forgot them and its clock stepped; one is granted again at once. */
export function forgottenLease(events: HistoryEvent[], leftMs: number, offsetMs = 0): void {
  const { at, t } = effect(events, "lease", (e) => e.p === "cwe");
  const lease = { lease: "old", until: (t + leftMs) * 1000, weight: 4, p: "cwe", fence: "1" };
  insertAt(events, at, t - 3, { fx: "lease", ...lease, by: { script: "acquire" } });
  const snapshot = events.find((event) => event.k === "snapshot")!;
  const step = { k: "clock", offsetMs, beforeMs: 0 } as const;
  events.splice(at + 1, 0, { ...snapshot, t: t - 2 }, { ...step, t: t - 1 });
  for (const event of events.slice(at + 3)) if (event.k === "fx") event.r = event.t + offsetMs;
}

/** All permits were given back, and given to others; then Redis forgot the moment in which that happened. */
export function forgottenReturn(events: HistoryEvent[]): void {
  const { at, t } = effect(events, "lease", (e) => e.p === "cwe");
  const old = { until: (t + 9_000) * 1000, weight: 4, p: "cwe", fence: "1" };
  const next = { ...old, p: "cve", fence: "2" };
  const by = { script: "acquire" };
  insertAt(events, at, t - 6, { fx: "lease", lease: "old", ...old, by });
  insertAt(events, at + 1, t - 5, {
    fx: "lease-end",
    leases: ["old"],
    by: { script: "release", fence: "1" },
  });
  insertAt(events, at + 2, t - 4, { fx: "lease", lease: "next", ...next, by });
  const snapshot = structuredClone(events.find((event) => event.k === "snapshot")!);
  snapshot.s.leases = { old };
  events.splice(at + 3, 0, { ...snapshot, t: t - 3 });
  const pool = { size: 4, taken: 0, used: 4 };
  insertAt(events, at + 4, t - 2, { fx: "pool", ...pool, by: { script: "renew" } });
}

export const permits: Doctored[] = [
  {
    // A fifth of four.
    how: "more are granted than there are",
    doctor: (events) => {
      const { at, t } = effect(events, "pool", (e) => e.used === 1);
      for (let n = 0; n < 4; n++) {
        const lease = { lease: `x${n}`, until: (t + 9e6) * 1000, weight: 1, p: "cve", fence: `9${n}` };
        insertAt(events, at + 1, t + 1, { fx: "lease", ...lease, by: { script: "acquire" } });
      }
    },
  },
  {
    // What a Redis forgot is given away again before it has ended.
    how: "what a Redis forgot is granted again",
    doctor: (events) => void forgottenLease(events, 9_000),
  },
  {
    how: "what a Redis forgot is granted again after its clock went back",
    doctor: (events) => void forgottenLease(events, 9_000, -60_000),
  },
  {
    // Given back by a holder that does not own it.
    how: "a holder gives back another's permit",
    doctor: (events) => {
      effect(events, "lease-end").e.by!.fence = "77";
    },
  },
  {
    how: "the pool counts wrong",
    doctor: (events) => {
      effect(events, "pool", (e) => e.used === 1).e.used = 0;
    },
  },
  {
    how: "a fleet that has left holds some",
    doctor: (events) => {
      const audit = events.find((event) => event.k === "audit")! as Extract<HistoryEvent, { k: "audit" }>;
      audit.used = 2;
    },
  },
];

/** A dead letter was replayed in vain. Returns where the events of its end may be put in, and when. */
export function replayGaveUp(events: HistoryEvent[]): { at: number; t: number } {
  const run = "cve-replay-run";
  const batch = "replay/r-1/1";
  const { at, t } = effect(events, "open", (o) => o.run === null);
  const by = { script: "markBatchDead", run, batch };
  insertAt(events, at, t - 19, { fx: "status", p: "cve", run, batch, status: "d1", by });
  const fields = { state: "closed", result: "incomplete", mode: "incremental" };
  final(events).runs[run] = { fields, statuses: { [batch]: "d1" } };
  return { at: at + 1, t: t - 18 };
}

export const accounted: Doctored[] = [
  {
    how: "a batch is planned for ever",
    doctor: (events) => {
      final(events).runs[runOf("cve")]!.statuses.b2 = "p1";
    },
  },
  {
    how: "a batch is forgotten",
    doctor: (events) => void delete final(events).runs[runOf("cve")]!.statuses.b2,
  },
  { how: "a run is forgotten", doctor: (events) => void delete final(events).runs[runOf("cve")] },
  // Dead, and no dead letter: a retention took it.
  {
    how: "a dead batch has no dead letter",
    doctor: (events) => {
      final(events, "capec").runs[runOf("capec")]!.statuses.b2 = "d1";
    },
  },
  {
    how: "a replay gave up and its dead letter is unknown",
    doctor: (events) => void replayGaveUp(events),
  },
  // Cancelled, though no person had stopped the run.
  {
    how: "a batch is cancelled though no person stopped its run",
    doctor: (events) => {
      final(events).runs[runOf("cve")]!.statuses.b1 = "x1";
    },
  },
  {
    how: "the job of a dead letter is taken away",
    doctor: (events) => {
      const { at, t } = effect(events, "open", (o) => o.run === null);
      const letter = { fx: "letter", p: "cve", id: "d-1", set: { state: "dead", job: "b-1" } } as const;
      insertAt(events, at, t - 2, { ...letter, by: null });
      insertAt(events, at + 1, t - 1, {
        ...{ fx: "unfailed", p: "cve", ids: ["b-1"], command: "zrem", by: null },
      });
    },
  },
  {
    how: "a dead letter goes without a replay that was committed",
    doctor: (events) => {
      const { at, t } = effect(events, "open", (o) => o.run === null);
      const set = { state: "replaying", replayRun: runOf("cve"), replayKey: "replay/d-1/1" };
      insertAt(events, at, t - 2, { fx: "letter", p: "cve", id: "d-1", set, by: null });
      const by = { script: "dropDeadLetter", how: "settle" };
      insertAt(events, at + 1, t - 1, { fx: "letter-gone", p: "cve", id: "d-1", by });
    },
  },
  {
    how: "a dead letter is purged though no person asked",
    doctor: (events) => {
      const { at, t } = effect(events, "open", (o) => o.run === null);
      const by = { script: "dropDeadLetter", how: "purge" };
      insertAt(events, at, t - 1, { fx: "letter-gone", p: "cve", id: "d-1", by });
    },
  },
  {
    how: "the job of a dead letter is not in the failed set",
    doctor: (events) => {
      final(events).letters["d-1"] = { state: "dead", job: "b-1" };
    },
  },
  {
    how: "a dead letter is being replayed for ever",
    doctor: (events) => {
      final(events).letters["d-1"] = { state: "replaying", job: "" };
    },
  },
  {
    how: "the raw bytes of a dead letter are gone",
    doctor: (events) => void final(events).rawMissing.push("b-2"),
  },
  {
    how: "jobs are left",
    doctor: (events) => {
      final(events).jobs.waiting = 1;
    },
  },
];

export const transitions: Doctored[] = [
  {
    how: "an illegal transition",
    doctor: (events) => {
      effect(events, "transition").e.fields.trigger = "finish";
    },
  },
  {
    // One is missing.
    how: "a transition is left out",
    doctor: (events) => {
      const { at } = effect(events, "transition", (e) => e.fields.version === "2");
      events.splice(at, 1);
    },
  },
  {
    // Only a person stops a run.
    how: "what only a person may do is done by the engine",
    doctor: (events) => {
      const { e } = effect(events, "transition", (one) => one.fields.version === "3");
      e.fields.trigger = "stop";
    },
  },
  { how: "the history loses one", doctor: (events) => void final(events).transitions.splice(1, 1) },
];

const counted = (t: number): HistoryEvent => ({
  ...{ t, k: "fx", e: { fx: "counted", p: "cve", run: runOf("cve"), by: null } },
});

export const limits: Doctored[] = [
  {
    // Eleven in two seconds where ten are allowed.
    how: "too many requests in a window",
    doctor: (events) => {
      const { at, t } = effect(events, "open", (o) => o.run === null);
      for (let n = 0; n < 11; n++) {
        events.splice(at, 0, request("cve", t + n), {
          ...{ t: t + n, k: "fx", e: { fx: "counted", p: "cve", run: runOf("cve"), by: null } },
        });
      }
    },
  },
  {
    // While told to wait, and known to be.
    how: "a request while told to wait",
    doctor: (events) => {
      const [first] = events.filter((event) => event.k === "request");
      first!.r.retryAfter = 5;
      const line = { event: "upstream_wait", upstream: "cve" };
      events.push({ t: first!.t + 2, k: "log", pid: 1, line });
      events.push(request("cve", first!.t + 4_000), {
        ...{ t: first!.t, k: "fx", e: { fx: "counted", p: "cve", run: runOf("cve"), by: null } },
      });
    },
  },
  {
    how: "a request while the breaker is open",
    doctor: (events) => {
      const { at, t } = effect(events, "open", (o) => o.p === "cve" && o.run === null);
      const fields = { old_state: "closed", new_state: "open", trigger: "trip", version: "1" };
      insertAt(events, at, t, { fx: "breaker", upstream: "cve", fields });
      const probe = { old_state: "open", new_state: "half_open", trigger: "probe_begins", version: "2" };
      insertAt(events, at + 1, t + 3_000, { fx: "breaker", upstream: "cve", fields: probe });
      events.push(request("cve", t + 2_000), counted(t));
    },
  },
  {
    how: "two probes of one breaker",
    doctor: (events) => {
      const { at, t } = effect(events, "open", (o) => o.p === "cve" && o.run === null);
      const move = (old_state: string, new_state: string, trigger: string, version: string) =>
        ({ fx: "breaker", upstream: "cve", fields: { old_state, new_state, trigger, version } }) as const;
      insertAt(events, at, t, move("closed", "open", "trip", "1"));
      insertAt(events, at + 1, t + 3_000, move("open", "half_open", "probe_begins", "2"));
      insertAt(events, at + 2, t + 4_000, move("half_open", "closed", "probe_succeeded", "3"));
      events.push(request("cve", t + 3_100), request("cve", t + 3_200), counted(t), counted(t));
    },
  },
  {
    // One that no run has counted.
    how: "a request that no run has counted",
    doctor: (events) => void events.push(request("capec", BEGUN + 60_000)),
  },
];

export const personsWord: Doctored[] = [
  {
    // Left by a schedule.
    how: "a schedule ends a pause",
    doctor: (events) => {
      const { at, t } = effect(events, "transition", (e) => e.machine === "cve" && e.fields.version === "3");
      const move = (version: string, old_state: string, new_state: string, trigger: string) => {
        const fields = { old_state, new_state, trigger, version, actor: "s", actor_kind: "schedule" };
        return { fx: "transition", machine: "cve", fields } as const;
      };
      insertAt(events, at + 1, t + 1, move("4", "TERMINATED", "PAUSED", "pause"));
      insertAt(events, at + 2, t + 2, move("5", "PAUSED", "ACQUIRING", "open_run"));
    },
  },
  {
    // Requests go on.
    how: "requests go on in a pause",
    doctor: (events) => {
      const { at, t } = effect(events, "transition", (e) => e.machine === "cve" && e.fields.version === "3");
      const move = (version: string, old_state: string, new_state: string, trigger: string) => {
        const fields = { old_state, new_state, trigger, version, actor: "p", actor_kind: "person" };
        return { fx: "transition", machine: "cve", fields } as const;
      };
      insertAt(events, at + 1, t + 1, move("4", "TERMINATED", "PAUSED", "pause"));
      insertAt(events, at + 2, t + 30_000, move("5", "PAUSED", "TERMINATED", "stop"));
      events.push(request("cve", t + 20_000));
      events.push({ t, k: "fx", e: { fx: "counted", p: "cve", run: runOf("cve"), by: null } });
    },
  },
  {
    // A restart of Redis that may have forgotten nothing.
    how: "a restart of Redis ends a pause",
    doctor: (events) => {
      const { at, t } = effect(
        events,
        "transition",
        (e) => e.machine === "attack" && e.fields.version === "3",
      );
      const fields = {
        ...{ old_state: "TERMINATED", new_state: "PAUSED", trigger: "pause", version: "4" },
        ...{ actor: "p", actor_kind: "person" },
      };
      insertAt(events, at + 1, t + 1, { fx: "transition", machine: "attack", fields });
      events.splice(at + 2, 0, { t: t + 2, k: "redis", what: "killed", lostMs: 0 });
      const machines = { attack: { state: "TERMINATED", version: 3 } };
      events.splice(at + 3, 0, {
        t: t + 3,
        k: "snapshot",
        why: "killed",
        s: { providers: {}, machines, leases: {}, breakers: {} },
      });
    },
  },
  {
    // Acknowledged, and it never happened.
    how: "an acknowledged pause never happened",
    doctor: (events) => {
      const a = { what: "pause", provider: "cve", outcome: "acked", askedAt: BEGUN, detail: "" } as const;
      events.push({ t: BEGUN + 100, k: "person", a });
    },
  },
];

export const secrets: Doctored[] = [
  {
    how: "a secret stands in a log",
    doctor: (events) => {
      const searched = events.find((event) => event.k === "secrets")! as Extract<
        HistoryEvent,
        { k: "secrets" }
      >;
      searched.found.push("logs/worker-0.log: …<the secret>");
    },
  },
  {
    how: "the key goes to another host",
    doctor: (events) => {
      const injected = events.find((event) => event.k === "injected")!;
      (injected as Extract<HistoryEvent, { k: "injected" }>).violations.keyLeaks = 1;
    },
  },
  {
    // Nothing was planted, so nothing could be found.
    how: "nothing was planted",
    doctor: (events) => {
      for (const event of events) if (event.k === "request") event.r.apiKey = false;
    },
  },
];

export const enough: Doctored[] = [
  { how: "nothing at all", doctor: () => [] },
  { how: "no requests", doctor: (events) => events.filter((event) => event.k !== "request") },
  { how: "no effects", doctor: (events) => events.filter((event) => event.k !== "fx") },
  { how: "no final states", doctor: (events) => events.filter((event) => event.k !== "final") },
  { how: "no end", doctor: (events) => events.filter((event) => event.k !== "end") },
  {
    how: "the monitor was away",
    doctor: (events) => void events.push({ t: BEGUN, k: "blind", why: "lost" }),
  },
  {
    // Kills were planned, and no worker died.
    how: "no worker died",
    doctor: (events) => {
      const begin = events[0] as Extract<HistoryEvent, { k: "begin" }>;
      begin.plan.actions.push({ atMs: 1, do: "kill", slot: 0, when: "now" });
    },
  },
  {
    how: "a process fell over",
    doctor: (events) => void events.push({ t: BEGUN, k: "worker", what: "ended", slot: 0, pid: 1, how: "1" }),
  },
];
