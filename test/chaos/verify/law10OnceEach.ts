/** Law 10: work is done at least once, and every effect counts once: what runs count is what the feed and the store hold. */
import { findProvider } from "../../../src/providers/registry.ts";
import type { FinalProvider } from "../history.ts";
import type { LawMaker } from "./law.ts";

const countNames = ["created", "updated", "removed"] as const;

export const onceEach: LawMaker = ({ facts, events }, { breach, looked }) => {
  const checkSequence = (p: string, { changes }: FinalProvider): void => {
    let seq = changes[0]?.seq ?? 1;
    for (const change of changes) {
      looked();
      if (change.seq !== seq) {
        breach(`${p}: the change feed goes from ${seq - 1} to ${change.seq}`);
        seq = change.seq;
      }
      seq++;
    }
  };

  const checkRecords = (p: string, f: FinalProvider): void => {
    const alive = new Map<string, boolean>();
    for (const change of f.changes) {
      looked();
      const was = alive.get(change.id) ?? false;
      if (change.op === "c" && was)
        breach(`${p}: ${change.id} is created while it lives (change ${change.seq})`);
      if (change.op !== "c" && !was)
        breach(`${p}: ${change.id} gets '${change.op}' and does not live (change ${change.seq})`);
      alive.set(change.id, change.op !== "r");
    }
    for (const [id, lives] of alive) {
      if (lives !== (f.store[id] !== undefined)) {
        breach(`${p}: by the feed ${id} ${lives ? "lives" : "is gone"}, the store says otherwise`);
      }
    }
    for (const id of Object.keys(f.store)) {
      if (!alive.has(id)) breach(`${p}: ${id} came into the store without a change`);
    }
  };

  const checkCounters = (p: string, f: FinalProvider): void => {
    const byRun = new Map<string, { created: Set<string>; updated: Set<string>; removed: Set<string> }>();
    for (const { run, op, id } of f.changes) {
      let own = byRun.get(run);
      if (!own) {
        own = { created: new Set(), updated: new Set(), removed: new Set() };
        byRun.set(run, own);
      }
      if (op === "c") own.created.add(id);
      else if (op === "u" && !own.created.has(id)) own.updated.add(id);
      else if (op === "r") own.removed.add(id);
    }
    for (const [id, { fields }] of Object.entries(f.runs)) {
      // A record that was good in one pass and bad in another counts as dead and keeps its change.
      if (Number(fields.dead ?? 0) > 0) continue;
      const own = byRun.get(id);
      for (const name of countNames) {
        looked();
        const said = Number(fields[name] ?? 0);
        const made = own?.[name].size ?? 0;
        if (said !== made) breach(`${p}: ${id} counts ${said} ${name}, the feed has ${made}`);
      }
    }
  };

  /** A feed of summaries has one entry for each run that ended by itself, with the counts of the run. */
  const checkSummaries = (p: string, f: FinalProvider): void => {
    const told = new Map<string, string>();
    for (const { seq, op, id, run, fields } of f.changes) {
      looked();
      if (op !== "s" || id !== "*") breach(`${p}: a feed of summaries has '${op}' of ${id} (change ${seq})`);
      if (told.has(run)) breach(`${p}: ${run} is summarised twice (change ${seq})`);
      told.set(run, fields);
    }
    for (const [id, { fields }] of Object.entries(f.runs)) {
      looked();
      const counts = Object.fromEntries(countNames.map((name) => [name, Number(fields[name] ?? 0)]));
      const changed = countNames.some((name) => counts[name] !== 0);
      const said = told.get(id);
      if (said === undefined && changed && ["complete", "incomplete"].includes(fields.result ?? "")) {
        breach(`${p}: ${id} changed records and has no summary`);
      }
      if (said !== undefined && said !== JSON.stringify(counts)) {
        breach(`${p}: ${id} counts ${JSON.stringify(counts)}, its summary says ${said}`);
      }
    }
  };

  return {
    end() {
      for (const { p, f } of facts.finals("full")) {
        checkSequence(p, f);
        if (findProvider(p)?.changes === "summary") {
          checkSummaries(p, f);
          continue;
        }
        checkRecords(p, f);
        checkCounters(p, f);
      }
      for (const event of events) {
        if (event.k !== "run-end" || event.r === null) continue;
        const { r } = event;
        looked();
        const sum = r.created + r.updated + r.unchanged;
        if (r.deadLettered === 0 && r.fetched !== sum) {
          breach(`${r.runId}: ${r.fetched} fetched, ${sum} accounted for`, event.t);
        }
        const final = facts.finals("full").find((one) => one.p === r.provider);
        if (event.when === "full" && final && r.fetched !== Object.keys(final.f.upstream).length) {
          breach(
            `${r.runId}: ${r.fetched} fetched, the upstream has ${Object.keys(final.f.upstream).length}`,
            event.t,
          );
        }
      }
    },
  };
};
