/** An empty or short history proves nothing: what must be in it, by its own plan. And no process may fall over by itself. */
import type { HistoryEvent } from "../history.ts";
import type { LawMaker } from "./law.ts";

/** Kinds of actions whose whole absence would leave a hunt without its point. */
const vital: readonly string[] = [
  "kill",
  "sleep",
  "term",
  "redis-kill",
  "redis-power-cut",
  "failover",
  "content",
];

export const enough: LawMaker = ({ events, plan, facts }, { breach, looked }) => ({
  event(event) {
    if (event.k === "blind") breach(`the history has a hole: ${event.why}`, event.t);
    // The pump of a Node process that ends with an exception: exit code 1 and more, or a signal of its own making.
    if (event.k === "worker" && event.what === "ended") {
      looked();
      if (!["0", "SIGKILL", "SIGTERM"].includes(event.how)) {
        breach(`worker ${event.slot} (pid ${event.pid}) fell over: ${event.how}`, event.t);
      }
    }
  },

  end() {
    const count = (test: (event: HistoryEvent) => boolean): number => events.filter(test).length;
    const atLeast = (least: number, what: string, test: (event: HistoryEvent) => boolean): void => {
      looked();
      const found = count(test);
      if (found < least) breach(`the history is short: ${found} ${what}, at least ${least} are wanted`);
    };
    const minutes = Math.max(plan.minutes, 0.25);
    atLeast(1, "ends", (e) => e.k === "end");
    atLeast(1, "snapshots", (e) => e.k === "snapshot");
    atLeast(8, "final states", (e) => e.k === "final");
    atLeast(8, "ends of last runs", (e) => e.k === "run-end");
    atLeast(Math.floor(20 * minutes), "requests", (e) => e.k === "request");
    atLeast(Math.floor(40 * minutes), "commits", (e) => e.k === "fx" && e.e.fx === "versions");
    atLeast(
      Math.floor(20 * minutes),
      "checkpoints",
      (e) => e.k === "fx" && e.e.fx === "status" && e.e.status.startsWith("c"),
    );
    atLeast(Math.floor(20 * minutes), "grants", (e) => e.k === "fx" && e.e.fx === "lease");
    atLeast(Math.floor(20 * minutes), "transitions", (e) => e.k === "fx" && e.e.fx === "transition");
    atLeast(
      Math.floor(4 * minutes),
      "closed runs",
      (e) => e.k === "fx" && e.e.fx === "run" && e.e.set.state === "closed",
    );
    const done = (kind: string) => (e: HistoryEvent) =>
      e.k === "act" && e.kind === kind && e.detail === "begins";
    for (const kind of vital) {
      const planned = plan.actions.filter((action) => action.do === kind).length;
      if (planned > 0) atLeast(planned, `actions '${kind}'`, done(kind));
    }
    if (plan.actions.some((action) => action.do === "kill")) {
      atLeast(1, "workers killed", (e) => e.k === "worker" && e.what === "ended" && e.how === "SIGKILL");
    }
    if (plan.actions.some((action) => action.do === "sleep")) {
      atLeast(1, "workers put to sleep", (e) => e.k === "held");
    }
    const hits = facts.requests.filter(({ r }) => r.fault !== null).length;
    looked();
    if (plan.actions.filter((action) => action.do === "faults").length >= 4 && hits === 0) {
      breach("the history is short: not one fault of an upstream was met");
    }
  },
});
