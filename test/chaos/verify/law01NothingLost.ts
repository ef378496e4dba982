/** Law 1: a finished run's store equals the upstream's content, removals included; and a healed fleet finishes by itself. */
import { upstreamNames } from "../../../src/simulator/types.ts";
import type { FinalProvider } from "../history.ts";
import type { LawMaker } from "./law.ts";
import type { RunModel } from "./model.ts";

const windowed: ReadonlySet<string> = new Set(["cve"]);
/** So many ids are named. */
const NAMED = 5;

export const nothingLost: LawMaker = ({ model, facts, begun }, { breach, looked }) => {
  const some = (ids: string[]): string =>
    `${ids.slice(0, NAMED).join(", ")}${ids.length > NAMED ? ` and ${ids.length - NAMED} more` : ""}`;

  /** A run that said "complete" while nothing moved upstream: its store is the upstream's content, then and there. */
  const checkRun = (p: string, run: RunModel, at: number): void => {
    const { fields } = run;
    // A replay vouches for what it replays, and for nothing else.
    if (fields.result !== "complete" || fields.mode === undefined || fields.kind === "replay") return;
    if (windowed.has(p) && fields.mode !== "full") return;
    // By the clock of Redis, which may have been ahead.
    const started = Math.min(Date.parse(fields.startedAt ?? ""), run.since);
    if (Number.isNaN(started) || facts.lied(p, started, at)) return;
    const truth = facts.truthAt(p, started, at);
    if (!truth) return;
    looked();
    const { versions } = model.provider(p);
    const missing = [...truth.keys()].filter((id) => !versions.has(id));
    const extra = [...versions.keys()].filter((id) => !truth.has(id));
    const old = [...truth].filter(([id, modified]) => {
      const stored = versions.get(id)?.lastModified;
      return modified !== null && stored !== undefined && stored !== null && stored < modified;
    });
    if (missing.length > 0) breach(`${run.id} is complete without ${some(missing)}`, at);
    if (extra.length > 0) breach(`${run.id} is complete and still has ${some(extra)}`, at);
    if (old.length > 0) breach(`${run.id} is complete with old ${some(old.map(([id]) => id))}`, at);
  };

  const compare = (p: string, f: FinalProvider, when: string, only?: (id: string) => boolean): void => {
    const chosen = (id: string): boolean => only === undefined || only(id);
    looked();
    const missing = Object.keys(f.upstream).filter((id) => chosen(id) && f.store[id] === undefined);
    const differing = Object.keys(f.upstream).filter(
      (id) => chosen(id) && f.store[id] !== undefined && f.store[id] !== f.upstream[id],
    );
    const extra = only ? [] : Object.keys(f.store).filter((id) => f.upstream[id] === undefined);
    if (missing.length > 0) breach(`${p} after the last ${when}: ${some(missing)} missing`);
    if (differing.length > 0) breach(`${p} after the last ${when}: ${some(differing)} differ`);
    if (extra.length > 0) breach(`${p} after the last ${when}: ${some(extra)} not upstream`);
  };

  return {
    event(event) {
      if (event.k === "fx" && event.e.fx === "open" && event.e.run === null) {
        // The last step of closing: state and result are known by now, watermark and removals done.
        const open = model.provider(event.e.p).openRun;
        const run = open === null ? undefined : model.provider(event.e.p).runs.get(open);
        if (run) checkRun(event.e.p, run, event.t);
      }
      if (event.k !== "run-end") return;
      looked();
      if (event.r === null) breach(`a healed fleet does not finish: ${event.why}`, event.t);
      else if (event.r.state !== "complete") {
        breach(
          `the last ${event.when} of ${event.r.provider} ended ${event.r.state}: ${event.r.error}`,
          event.t,
        );
      }
    },

    end() {
      const finals = facts.finals("full");
      for (const p of upstreamNames) {
        const final = finals.find((one) => one.p === p);
        if (!final) {
          breach(`${p}: there is no final state to verify`);
          continue;
        }
        const { f } = final;
        compare(p, f, "full run");
        const index = new Set(f.index);
        const orphans = f.recordKeys.filter((id) => !index.has(id));
        const hollow = f.index.filter((id) => f.store[id] === undefined);
        const both = f.tombstones.filter((id) => index.has(id));
        if (f.linksApart.length > 0) breach(`${p}: ${some(f.linksApart)} of the index of links are wrong`);
        if (orphans.length > 0) breach(`${p}: ${some(orphans)} lie in the store without an index entry`);
        if (hollow.length > 0) breach(`${p}: ${some(hollow)} have an index entry and no record`);
        if (both.length > 0) breach(`${p}: ${some(both)} live and have a tombstone`);
      }
      for (const { p, f } of facts.finals("increment")) {
        if (!windowed.has(p)) {
          compare(p, f, "increment");
          continue;
        }
        // By the law an increment covers what its window covers: everything that was modified, openly, in this hunt.
        const truth = new Map(facts.truths.findLast((one) => one.p === p)?.versions ?? []);
        compare(p, f, "increment", (id) => (truth.get(id) ?? 0) >= begun);
      }
    },
  };
};
