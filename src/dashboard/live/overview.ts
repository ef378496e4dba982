/** Assembles the data of the tree. */
import { describeEdition } from "../../core/edition.ts";
import type { Engine, EngineStatus, RunProgress } from "../../engine/api.ts";
import { doneRatio, type Paces } from "../../engine/pace.ts";
import type { PoolView } from "../../permits/report.ts";
import { problemsOf } from "../../session/problems.ts";
import type { Overview, OverviewProvider, Progress } from "../api/schemas.ts";

export function toOverview(
  engine: Pick<Engine, "actionsIn">,
  status: EngineStatus,
  pool: PoolView,
  paces: Paces,
): Overview {
  const nowMs = Date.parse(status.at);
  const permits = new Map(pool.providers.map((one) => [one.provider, one]));
  paces.look(
    status.providers.flatMap(({ openRun }) => openRun ?? []),
    nowMs,
  );
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
  const perSecond = paces.of(run) ?? null;
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
