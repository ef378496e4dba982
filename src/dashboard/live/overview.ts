/** Assembles the data of the tree. */
import { describeEdition } from "../../core/edition.ts";
import type { Engine, EngineStatus, RunProgress } from "../../engine/api.ts";
import { doneRatio, Pace } from "../../engine/pace.ts";
import type { PoolView } from "../../permits/report.ts";
import { problemsOf } from "../../session/problems.ts";
import type { Overview, OverviewProvider, Progress } from "../api/schemas.ts";

/** Remembers the progress of runs at the last views; closed runs are removed. */
export class Paces {
  readonly #byRun = new Map<string, Pace>();

  /** Records per second: over the last views, or since the run began. */
  of(run: RunProgress, nowMs: number): number | null {
    let pace = this.#byRun.get(run.runId);
    if (pace === undefined) {
      pace = new Pace();
      this.#byRun.set(run.runId, pace);
    }
    pace.add(run.fetched, nowMs);
    // While a run waits for the rate limit its pace of the last seconds is 0: what it has kept since it began holds.
    if (pace.perSecond !== undefined && (pace.perSecond > 0 || run.waiting === null)) return pace.perSecond;
    return run.durationMs >= 1_000 && run.fetched > 0 ? (run.fetched * 1_000) / run.durationMs : null;
  }

  keepOnly(runIds: ReadonlySet<string>): void {
    for (const id of this.#byRun.keys()) if (!runIds.has(id)) this.#byRun.delete(id);
  }
}

export function toOverview(
  engine: Pick<Engine, "actionsIn">,
  status: EngineStatus,
  pool: PoolView,
  paces: Paces,
): Overview {
  const nowMs = Date.parse(status.at);
  const permits = new Map(pool.providers.map((one) => [one.provider, one]));
  paces.keepOnly(new Set(status.providers.flatMap(({ openRun }) => (openRun ? [openRun.runId] : []))));
  const { configured, effective, allocated, available, waiting } = pool;
  return {
    at: status.at,
    macro: status.macro,
    stranded: status.stranded,
    runsPaused: status.runsPaused,
    workers: status.workers.filter(({ health }) => health === "live").length,
    deadLetters: status.providers.reduce((sum, { deadLetters }) => sum + deadLetters.entries, 0),
    permits: { configured, effective, allocated, available, waiting },
    redis: status.redis,
    providers: status.providers.map((provider): OverviewProvider => {
      const own = permits.get(provider.provider);
      return {
        ...provider,
        edition: provider.edition && { name: describeEdition(provider.edition), ...provider.edition },
        problems: problemsOf(provider, nowMs),
        actions: engine.actionsIn(provider.machine.state),
        freshMs: provider.verifiedAt === null ? null : Math.max(0, nowMs - Date.parse(provider.verifiedAt)),
        progress: provider.openRun && toProgress(provider.openRun, paces, nowMs),
        permits: { held: own?.held ?? 0, waiting: own?.waiting ?? 0, askedBack: own?.askedBack ?? 0 },
      };
    }),
  };
}

function toProgress(run: RunProgress, paces: Paces, nowMs: number): Progress {
  const perSecond = paces.of(run, nowMs);
  const left = run.expected === null ? null : Math.max(0, run.expected - run.fetched);
  const moves = run.state === "running" && perSecond !== null && perSecond > 0;
  const waitMs = run.waiting === null ? 0 : Math.max(0, Date.parse(run.waiting.until) - nowMs);
  return {
    fetched: run.fetched,
    expected: run.expected,
    share: doneRatio(run) ?? null,
    perSecond,
    remainingMs:
      moves && left !== null && run.pass <= 1 ? Math.round((left / perSecond) * 1_000) + waitMs : null,
  };
}
