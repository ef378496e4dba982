/** Law 3: no checkpoint passes a record that is not committed; the watermark moves only with a verified run. */
import type { By } from "../history.ts";
import type { LawMaker } from "./law.ts";
import { byText, type RunModel } from "./model.ts";

const windowed: ReadonlySet<string> = new Set(["cve"]);

export const checkpoints: LawMaker = ({ model, facts }, { breach, looked }) => {
  /** A batch that has its checkpoint has nothing left to write. */
  const notAfterCheckpoint = (p: string, by: By | null, at: number): void => {
    if (by?.run === undefined || by.batch === undefined) return;
    looked();
    const status = model.provider(p).runs.get(by.run)?.statuses.get(by.batch);
    if (status === undefined || !status.startsWith("p")) {
      breach(`${p}: ${byText(by)} writes records, and its batch is '${status ?? "not planned"}'`, at);
    }
  };

  /** Everything up to the watermark that the upstream held when the run began is in the store. */
  const coversAll = (p: string, run: RunModel, watermark: number, at: number): void => {
    // By the clock of Redis, which may have been ahead.
    const started = Math.min(Date.parse(run.fields.startedAt ?? ""), run.since);
    if (!windowed.has(p) || Number.isNaN(started) || facts.lied(p, started, at)) return;
    const truth = facts.truthAt(p, started, at);
    if (!truth) return;
    looked();
    const { versions } = model.provider(p);
    const before = Date.parse(`${run.fields.watermarkBefore ?? ""}Z`);
    // An increment vouches for its window; what lies before it was vouched for by the runs before it.
    const from = run.fields.mode === "full" || Number.isNaN(before) ? 0 : before - 10 * 3_600_000;
    for (const [id, modified] of truth) {
      if (modified === null || modified > watermark || modified < from) continue;
      if (run.marks.get(id)?.startsWith("d")) continue;
      const stored = versions.get(id);
      if (!stored || (stored.lastModified ?? 0) < modified) {
        breach(`${p}: the watermark of ${run.id} passes ${id}, which is ${stored ? "old" : "missing"}`, at);
        return;
      }
    }
  };

  return {
    event(event) {
      if (event.k !== "fx") return;
      const { t, e } = event;
      switch (e.fx) {
        case "versions":
        case "seen":
          notAfterCheckpoint(e.p, e.by, t);
          break;
        case "run":
          for (const [name, value] of Object.entries(e.set)) {
            if (!name.startsWith("prefix:")) continue;
            const pass = name.slice("prefix:".length);
            const run = model.run(e.p, e.run);
            for (let place = 1; place <= Number(value); place++) {
              looked();
              const batch = run.order.get(`${pass}:${place}`);
              const status = batch === undefined ? "unknown" : run.statuses.get(batch);
              if (!status?.startsWith("c")) {
                breach(
                  `${e.p}: the checkpoint of ${e.run} stands at ${value} over ${batch}, which is ${status}`,
                  t,
                );
              }
            }
          }
          break;
        case "meta": {
          if (e.set.watermark === undefined && e.set.verifiedAt === undefined) break;
          looked();
          const run = e.by?.run === undefined ? undefined : model.provider(e.p).runs.get(e.by.run);
          if (e.by?.script !== "closeRun" || !run) {
            breach(`${e.p}: the watermark was moved by ${byText(e.by)}`, t);
            break;
          }
          const { result } = run.fields;
          if (result !== "complete" && result !== "incomplete") {
            breach(`${e.p}: ${run.id} ended ${result} and moves the watermark`, t);
          }
          for (const [batch, status] of run.statuses) {
            // Committed; replayed elsewhere and committed there; or a bad record, which is set aside alone.
            const fine = /^[cr]/.test(status) || batch.startsWith("bad/");
            if (!fine) breach(`${e.p}: ${run.id} is verified, and its batch ${batch} is '${status}'`, t);
          }
          const watermark = Date.parse(`${e.set.watermark?.replace(/Z$/, "")}Z`);
          if (!Number.isNaN(watermark)) coversAll(e.p, run, watermark, t);
          break;
        }
      }
    },
  };
};
