/**
 * Law 2: no superseded attempt, closed run or process that slept overwrites or resurrects anything. Verified by the writes
 * themselves: in whose name each was made, and what it replaced.
 */
import type { By } from "../history.ts";
import type { LawMaker } from "./law.ts";
import { byText } from "./model.ts";

const windowed: ReadonlySet<string> = new Set(["cve"]);

export const nothingStale: LawMaker = ({ model, facts }, { breach, looked }) => {
  /** May this attempt write now? Its run in one of these states, its fence the batch's newest. */
  const allowed = (p: string, by: By | null, scripts: string[], states: string[], at: number): void => {
    looked();
    if (by === null || !scripts.includes(by.script) || by.run === undefined) {
      breach(`${p}: records were written by ${byText(by)}`, at);
      return;
    }
    const run = model.provider(p).runs.get(by.run);
    const state = run?.fields.state ?? "unknown";
    if (!states.includes(state)) breach(`${p}: ${byText(by)} wrote while its run was ${state}`, at);
    const newest = run?.fences.get(by.batch ?? "");
    if (newest !== by.fence) {
      breach(`${p}: ${byText(by)} wrote; the newest attempt has fence ${newest ?? "none"}`, at);
    }
  };
  const rolledBack = (p: string): boolean =>
    facts.requests.some(({ r }) => r.upstream === p && r.fault?.includes("stale-page"));

  return {
    event(event) {
      if (event.k !== "fx") return;
      const { t, e } = event;
      switch (e.fx) {
        case "versions": {
          allowed(e.p, e.by, ["commit"], ["open"], t);
          const { versions, removed } = model.provider(e.p);
          for (const next of e.versions) {
            const stored = versions.get(next.id);
            const what = `${e.p} ${next.id} by ${byText(e.by)}`;
            if (!stored) {
              const gone = removed.get(next.id);
              if (gone !== undefined && next.fetchedAt <= gone) {
                breach(`${what}: fetched before it was removed, and is back`, t);
              }
            } else if (
              windowed.has(e.p) &&
              next.lastModified !== null &&
              stored.lastModified !== null &&
              next.lastModified !== stored.lastModified
            ) {
              // What the upstream itself said twice, in two passes, is its truth, older or not.
              if (next.lastModified < stored.lastModified && !rolledBack(e.p)) {
                breach(`${what}: ${next.lastModified} replaces the newer ${stored.lastModified}`, t);
              }
            } else if (next.fetchedAt < stored.fetchedAt) {
              breach(
                `${what}: fetched at ${next.fetchedAt}, replaces what was fetched at ${stored.fetchedAt}`,
                t,
              );
            }
          }
          break;
        }
        case "removed":
          allowed(e.p, e.by, ["remove"], ["closing"], t);
          break;
        case "seen":
          allowed(e.p, e.by, ["commit", "mark"], ["open"], t);
          break;
        case "change":
          looked();
          if (e.by?.run !== e.run)
            breach(`${e.p}: change ${e.seq} names ${e.run}, made by ${byText(e.by)}`, t);
          break;
        case "status":
          if (e.status.startsWith("c")) allowed(e.p, e.by, ["checkpoint"], ["open"], t);
          break;
        case "fence": {
          looked();
          const before = model.highestFence.get(`${e.run}/${e.batch}`) ?? 0;
          if (Number(e.fence) <= before) {
            breach(`${e.p}: ${e.run} ${e.batch} gets fence ${e.fence} after ${before} was given`, t);
          }
          break;
        }
        case "run": {
          const state = model.provider(e.p).runs.get(e.run)?.fields.state;
          if (e.set.state === undefined || state === undefined) break;
          looked();
          if (state === "closed" || (state === "closing" && e.set.state === "open")) {
            breach(`${e.p}: ${e.run} was ${state} and is ${e.set.state} by ${byText(e.by)}`, t);
          }
          break;
        }
      }
    },
  };
};
