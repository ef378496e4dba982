/** Histories doctored so that the laws of the store (1, 2, 3 and 10) are broken, each in one way. */
import type { HistoryEvent } from "../../chaos/history.ts";
import { type Doctored, effect, final, insertAt, isCve } from "./doctor.ts";
import { deadJob, FENCE, idsOf, MODIFIED, runOf } from "./goodHistory.ts";

export const nothingLost: Doctored[] = [
  { how: "a record is missing", doctor: (events) => void delete final(events).store[idsOf("cve")[0]!] },
  {
    how: "a record is not upstream",
    doctor: (events) => {
      final(events).store["CVE-GONE"] = "digest";
    },
  },
  {
    how: "a record differs",
    doctor: (events) => {
      final(events, "attack").store[idsOf("attack")[2]!] = "other";
    },
  },
  {
    how: "a record differs after the last increment",
    doctor: (events) => {
      final(events, "cwe", "increment").store[idsOf("cwe")[0]!] = "other";
    },
  },
  {
    how: "a record's hash has no index entry",
    doctor: (events) => void final(events).recordKeys.push("CVE-ORPHAN"),
  },
  {
    how: "the index of links names a record that is gone",
    doctor: (events) => void final(events).linksApart.push("{p:cve}:l:cwe:CWE-79"),
  },
  {
    how: "a live record has a tombstone",
    doctor: (events) => void final(events).tombstones.push(idsOf("cve")[0]!),
  },
  {
    how: "the last run ends incomplete",
    doctor: (events) => {
      const end = events.find((event) => event.k === "run-end")!;
      (end as Extract<HistoryEvent, { k: "run-end" }>).r!.state = "incomplete";
    },
  },
  {
    how: "the last run does not end",
    doctor: (events) => {
      const end = events.find((event) => event.k === "run-end")! as Extract<HistoryEvent, { k: "run-end" }>;
      Object.assign(end, { r: null, why: "it hangs" });
    },
  },
  {
    // Complete in the middle of the hunt, without a record that the upstream had all the while.
    how: "a run in mid-hunt is complete without a record",
    doctor: (events) => {
      const truth = events.find((event) => event.k === "truth" && event.p === "cve")!;
      (truth as Extract<HistoryEvent, { k: "truth" }>).versions.push(["CVE-MISSED", MODIFIED + 5]);
    },
  },
];

export const nothingStale: Doctored[] = [
  {
    // A superseded attempt writes.
    how: "a superseded attempt writes",
    doctor: (events) => {
      effect(events, "versions", isCve).e.by!.fence = "999";
    },
  },
  {
    // An older version over a newer one.
    how: "an older version replaces a newer one",
    doctor: (events) => {
      const { e, at, t } = effect(events, "versions", isCve);
      insertAt(events, at + 1, t + 1, {
        ...e,
        versions: [{ ...e.versions[0]!, lastModified: MODIFIED - 1 }],
      });
    },
  },
  {
    // An older download over a newer one.
    how: "an older download replaces a newer one",
    doctor: (events) => {
      const { e, at, t } = effect(events, "versions", ({ p }) => p === "attack");
      insertAt(events, at + 1, t + 1, { ...e, versions: [{ ...e.versions[0]!, fetchedAt: 5 }] });
    },
  },
  {
    // After the run was closed.
    how: "a run writes after it was closed",
    doctor: (events) => {
      const { e } = effect(events, "versions", isCve);
      const closed = effect(events, "open", (o) => o.p === "cve" && o.run === null);
      insertAt(events, closed.at + 1, closed.t + 1, { ...e, by: { ...e.by!, batch: "b3" } });
    },
  },
  {
    // Resurrected: fetched before it was removed.
    how: "a record fetched before its removal is back",
    doctor: (events) => {
      const last = effect(events, "versions", (e) => e.p === "cve" && e.by?.batch === "b3");
      const [version] = effect(events, "versions", isCve).e.versions;
      const by = { script: "remove", run: runOf("cve"), batch: "finish/1", fence: FENCE };
      insertAt(events, last.at, last.t - 2, { fx: "removed", p: "cve", ids: [version!.id], by });
      last.e.versions.push(version!);
    },
  },
  {
    // A fence that does not grow.
    how: "a fence does not grow",
    doctor: (events) => {
      const { e, at, t } = effect(events, "fence", isCve);
      insertAt(events, at + 1, t + 1, { ...e, fence: "7" });
    },
  },
  {
    // A closed run opens again.
    how: "a closed run opens again",
    doctor: (events) => {
      const closed = effect(events, "open", (o) => o.p === "cve" && o.run === null);
      const run = { fx: "run", p: "cve", run: runOf("cve"), set: { state: "open" }, by: null } as const;
      insertAt(events, closed.at + 1, closed.t + 1, run);
      insertAt(events, closed.at + 2, closed.t + 2, { ...run, set: { state: "closed" } });
    },
  },
];

export const checkpoints: Doctored[] = [
  {
    // Records are written after the checkpoint of their batch.
    how: "a batch writes after its checkpoint",
    doctor: (events) => {
      const commit = effect(events, "versions", isCve);
      const mark = effect(events, "status", (e) => e.p === "cve" && e.status === "c1");
      const [moved] = events.splice(mark.at, 1);
      events.splice(commit.at, 0, { ...moved!, t: commit.t - 1 });
    },
  },
  {
    // The run's checkpoint stands over a batch that is not committed.
    how: "the run's checkpoint stands over a batch without one",
    doctor: (events) => {
      const { e } = effect(events, "run", (r) => r.p === "cve" && r.set["prefix:1"] === "1");
      e.set["prefix:1"] = "2";
    },
  },
  {
    // The watermark moves with a batch that gave up.
    how: "the watermark moves with a batch that gave up",
    doctor: (events) => {
      const { e } = effect(events, "status", (s) => s.p === "cve" && s.batch === "b2" && s.status === "c1");
      e.status = "d1";
      final(events).runs[runOf("cve")]!.statuses.b2 = "d1";
      final(events).failed.push({
        ...{ jobId: deadJob("cve", "b2"), name: "batch", runId: runOf("cve"), batch: "b2", generation: 1 },
      });
    },
  },
  {
    // The watermark is moved by a writer other than the run.
    how: "the watermark is moved by another writer",
    doctor: (events) => {
      effect(events, "meta", isCve).e.by = null;
    },
  },
  {
    // It passes a record that is old in the store.
    how: "the watermark passes a record that is old in the store",
    doctor: (events) => {
      const truth = events.find((event) => event.k === "truth" && event.p === "cve")!;
      (truth as Extract<HistoryEvent, { k: "truth" }>).versions[0]![1] = MODIFIED;
      effect(events, "versions", isCve).e.versions[0]!.lastModified = MODIFIED - 7;
    },
  },
];

export const onceEach: Doctored[] = [
  {
    how: "a run counts more than the feed has",
    doctor: (events) => {
      final(events).runs[runOf("cve")]!.fields.created = "7";
    },
  },
  {
    how: "a run counts a removal that was none",
    doctor: (events) => {
      final(events).runs[runOf("cve")]!.fields.removed = "1";
    },
  },
  {
    how: "a record is created twice",
    doctor: (events) => {
      const { changes } = final(events);
      changes.push({ seq: 7, op: "c", id: changes[0]!.id, run: runOf("cve"), fields: "" });
    },
  },
  { how: "the feed has a hole", doctor: (events) => void final(events).changes.splice(2, 1) },
  {
    how: "a run's summary tells other counts",
    doctor: (events) => {
      final(events, "epss").changes[0]!.fields = JSON.stringify({ created: 5, updated: 0, removed: 0 });
    },
  },
  {
    how: "a run is summarised twice",
    doctor: (events) => {
      const { changes } = final(events, "epss");
      changes.push({ ...changes[0]!, seq: 2 });
    },
  },
  { how: "a run's summary is missing", doctor: (events) => void final(events, "epss").changes.splice(0) },
  {
    how: "a run's sums are not the upstream's",
    doctor: (events) => {
      const end = events.findLast((event) => event.k === "run-end")! as Extract<
        HistoryEvent,
        { k: "run-end" }
      >;
      end.r!.fetched = 5;
    },
  },
];
