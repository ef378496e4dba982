/** Opens runs: plans, stores the plan, adds the jobs. A crash between the last two is the reconciler's. */
import { UeeError } from "../core/errors.ts";
import type { AnyProvider, PlannedBatch, RunMode } from "../providers/contract.ts";
import type { ProviderQueue } from "../queues/providerQueue.ts";
import type { Batches } from "./batches.ts";
import type { PreparedRun } from "./bundleBatches.ts";
import type { RunRecord, Starter } from "./runRecord.ts";
import type { Runs } from "./runs.ts";

export interface OpenRequest {
  mode: RunMode;
  allowShrink: boolean;
  allowOlder: boolean;
  actor: Starter;
  reason: string | undefined;
  /** A reconciliation that only looks repairs nothing. */
  repair: boolean;
}

/** The run that a request opened, or the open one that it joined. */
export interface OpenedRun {
  runId: string;
  joined: boolean;
  /** Mode of the run; a store that was never verified is loaded in full. */
  mode: RunMode;
}

/**
 * Joins the open run when there is one. A full run does not join an increment, nor any run a replay of
 * dead letters: PROV_RUN_OPEN says to wait for it.
 */
export async function openRun(
  provider: AnyProvider,
  source: string,
  { runs, batches, feeds }: { runs: Runs; batches: Batches; feeds: object | undefined },
  queue: ProviderQueue,
  request: OpenRequest,
): Promise<OpenedRun> {
  for (;;) {
    const { runId, opened } = await runs.open({
      provider: provider.name,
      source,
      plan: (input) => provider.plan({ ...input, feeds: feeds !== undefined }),
      ...request,
    });
    const run = await runs.read(runId);
    // Closed between our look and now: the next look opens a new one.
    if (run === undefined || (!opened && run.state === "closed")) continue;
    if (!opened && run.kind === "replay") {
      throw new UeeError("PROV_RUN_OPEN", `Dead letters of ${provider.name} are being replayed: ${runId}.`, {
        data: { runId },
        retryAfterMs: 1000,
      });
    }
    if (!opened && !mayJoin(request, run)) {
      throw new UeeError("PROV_RUN_OPEN", `The ${modeName(run)} run ${runId} of ${provider.name} is open.`, {
        data: { runId },
        retryAfterMs: 1000,
      });
    }
    if (opened) await addFirstBatches(batches, queue, runId);
    return { runId, joined: !opened, mode: run.mode };
  }
}

async function addFirstBatches(batches: Batches, queue: ProviderQueue, runId: string): Promise<void> {
  const keys = [...(await batches.statuses(runId)).keys()];
  await queue.addBatches(runId, await batches.entries(runId, keys));
}

/**
 * Opens a run that was prepared. Undefined, with nothing changed, where another run is open or anything happened to the
 * provider since.
 */
export async function openPrepared(
  provider: AnyProvider,
  source: string,
  { runs, batches }: { runs: Runs; batches: Batches },
  queue: ProviderQueue,
  request: Omit<OpenRequest, "mode" | "repair"> & { prepared: PreparedRun; plan: PlannedBatch<unknown>[] },
): Promise<OpenedRun | undefined> {
  const { plan, ...wanted } = request;
  const { runId, opened } = await runs.open({
    ...{ provider: provider.name, source, mode: "full", repair: true, plan: () => plan },
    ...wanted,
  });
  if (!opened) return undefined;
  await addFirstBatches(batches, queue, runId);
  return { runId, joined: false, mode: "full" };
}

const modeName = ({ mode, bundle }: RunRecord): string =>
  bundle !== null ? "loading" : mode === "reconcile" ? "reconciling" : mode;

/**
 * A full run brings what an increment would; a reconciliation brings nothing that is newer than the feeds, and the load of
 * a bundle nothing from the upstream.
 */
function mayJoin(request: OpenRequest, run: RunRecord): boolean {
  if (run.bundle !== null) return false;
  return run.mode === request.mode
    ? run.mode !== "reconcile" || run.repair === request.repair
    : request.mode === "incremental" && run.mode === "full";
}
