/** Law 8: what a person paused stays paused until a person resumes, whatever restarts or would open a run. */
import { providerOf } from "../plan.ts";
import type { LawMaker } from "./law.ts";

/** Batches at work heed a pause within a second and end at their next safe point, ms. */
const HEED_MS = 4_000;
/** A process that slept, or whose connection was bad, learns it later; and so does what it left behind. */
const AFTERMATH_MS = 16_000;
/** `everysec`: what was written less than so long before a power cut may be gone with it, ms. */
const FSYNC_MS = 1_200;

export const personsWord: LawMaker = ({ model, facts, events }, { breach, looked }) => {
  const paused = new Map<string, number>();
  let cut: { at: number; lostMs: number } | undefined;

  const still = (p: string, from: number, to: number): void => {
    for (const { t, r } of facts.requests) {
      if (providerOf(r.upstream) !== p || t < from + HEED_MS || t > to) continue;
      looked();
      if (!facts.troubled(from - AFTERMATH_MS, t)) {
        breach(`${p}: a request ${((t - from) / 1000).toFixed(1)} s after it was paused`, t);
      }
    }
  };

  return {
    event(event) {
      if (event.k === "redis") cut = { at: event.t, lostMs: event.lostMs };
      if (event.k === "snapshot") {
        for (const [p, since] of paused) {
          looked();
          const now = event.s.machines[p];
          if (now?.state === "PAUSED") continue;
          const forgotten = cut !== undefined && cut.lostMs > 0 && since > cut.at - cut.lostMs - FSYNC_MS;
          if (!forgotten) {
            breach(`${p} was paused, and after Redis' restart it is ${now?.state ?? "unknown"}`, event.t);
          }
          paused.delete(p);
        }
        for (const [p, { state }] of Object.entries(event.s.machines)) {
          if (state === "PAUSED" && !paused.has(p)) paused.set(p, event.t);
        }
      }
      if (event.k !== "fx") return;
      const { t, e } = event;
      if (e.fx === "transition" && e.machine !== "macro") {
        const { old_state: from, new_state: to, trigger, actor, actor_kind: kind } = e.fields;
        if (to === "PAUSED") paused.set(e.machine, t);
        else if (from === "PAUSED") {
          looked();
          if (kind !== "person" || (trigger !== "resume" && trigger !== "stop")) {
            breach(`${e.machine} left PAUSED for ${to} by ${trigger} of ${kind} ${actor}`, t);
          }
          still(e.machine, paused.get(e.machine) ?? t, t);
          paused.delete(e.machine);
        }
      }
      if (e.fx === "machine" && e.set.state !== undefined && paused.has(e.machine)) {
        // The fields without an entry in the stream would be a way round it.
        const before = model.machines.get(e.machine);
        if (before?.state === "PAUSED" && Number(e.set.version) <= before.version) {
          breach(`${e.machine} was PAUSED and is ${e.set.state} without a transition`, t);
        }
      }
      if (e.fx === "open" && e.run !== null) {
        const since = paused.get(e.p);
        looked();
        if (since !== undefined && t - since > HEED_MS && !facts.troubled(since - AFTERMATH_MS, t)) {
          breach(`${e.p} is paused, and ${e.run} was opened`, t);
        }
      }
    },

    end() {
      // A client that was told "paused" can rely on it: the transition was stored by then.
      for (const event of events) {
        if (event.k !== "person" || event.a.what !== "pause" || event.a.outcome !== "acked") continue;
        looked();
        const { provider, askedAt } = event.a;
        const said = events.some(
          (one) =>
            one.k === "fx" &&
            one.e.fx === "transition" &&
            one.e.machine === provider &&
            one.e.fields.new_state === "PAUSED" &&
            one.t <= event.t + 50,
        );
        if (!said)
          breach(`${provider}: a person's pause at ${askedAt} was acknowledged and never happened`, event.t);
      }
    },
  };
};
