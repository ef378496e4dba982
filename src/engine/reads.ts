/** What the engine tells about runs and checkpoints: reads only. */

import type { Edition } from "../core/edition.ts";
import { errorCatalog } from "../core/errorCatalog.ts";
import { UeeError } from "../core/errors.ts";
import type { ProviderMachineStore } from "../machines/machineStore.ts";
import { deadLetterCounts } from "../recovery/deadLetters/counts.ts";
import { capOf } from "../recovery/deadLetters/operatorReads.ts";
import type { RunRecord, StoredError } from "../runs/runRecord.ts";
import { deadLetteredBy } from "../runs/runRecord.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { Checkpoint, ProviderStatus, RunError, RunProgress, RunState } from "./api.ts";
import { machineStatus } from "./govern.ts";

const remedyOf = (code: string): string =>
  code in errorCatalog ? errorCatalog[code as keyof typeof errorCatalog].remedy : "";

const toRunError = (error: StoredError | null): RunError | null =>
  error === null ? null : { code: error.code, message: error.message, remedy: remedyOf(error.code) };

type ProviderSnapshot = Awaited<ReturnType<ProviderMachineStore["read"]>>;

/** Why a paused provider's run does not go on, as its summary says it. */
const pausedError = ({ reason, actor, trigger }: ProviderSnapshot): RunError => {
  const full = reason?.startsWith("PROV_DLQ_FULL") ? "PROV_DLQ_FULL" : "PROV_ERROR_RATE";
  const code = trigger === "pause_on_error" ? full : "PROV_PAUSED";
  const said = (reason ?? "paused").replace(/^[A-Z]+_[A-Z_]+: /, "");
  const { detail, remedy } = new UeeError(code, `${said} (paused by ${actor})`);
  return { code, message: detail, remedy };
};

const waitOf = ({ state, reason, until }: ProviderSnapshot): RunProgress["waiting"] =>
  state === "WAITING_BACKOFF" && until !== null ? { reason: reason ?? "", until } : null;

const phaseOf = (run: RunRecord): RunProgress["phase"] => {
  if (run.state === "closed") return "closed";
  if (run.state === "closing") return "removing";
  if (run.done === 0) return "planning";
  return run.outstanding === 0 ? "verifying" : "loading";
};

/** What of its provider a run's progress tells. */
interface Surroundings {
  provider: string;
  watermark: string | null;
  machine: ProviderSnapshot;
  /** By Redis' clock. */
  nowMs: number;
}

async function surroundingsOf(
  context: ProviderContext,
  machine: ProviderMachineStore,
): Promise<Surroundings> {
  const [snapshot, { watermark }, nowMs] = await Promise.all([
    machine.read(),
    context.runs.meta(),
    context.runs.now(),
  ]);
  return { provider: context.provider.name, watermark, machine: snapshot, nowMs };
}

/** @throws UeeError PROV_RUN_NOT_FOUND */
export async function runProgress(
  context: ProviderContext,
  runId: string,
  machine: ProviderMachineStore,
): Promise<RunProgress> {
  const [run, around] = await Promise.all([context.runs.read(runId), surroundingsOf(context, machine)]);
  if (!run) throw new UeeError("PROV_RUN_NOT_FOUND", `No run ${runId} of ${context.provider.name}.`);
  return toProgress(run, around);
}

/** Those that are still known, in the order given. */
export async function runsProgress(
  context: ProviderContext,
  runIds: readonly string[],
  machine: ProviderMachineStore,
): Promise<RunProgress[]> {
  const [around, ...runs] = await Promise.all([
    surroundingsOf(context, machine),
    ...runIds.map((id) => context.runs.read(id)),
  ]);
  return runs.flatMap((run) => (run === undefined ? [] : [toProgress(run, around)]));
}

function toProgress(run: RunRecord, { provider, watermark, machine, nowMs }: Surroundings): RunProgress {
  const paused = run.state !== "closed" && machine.state === "PAUSED";
  const endMs = run.endedAt ? Date.parse(run.endedAt) : nowMs;
  return {
    provider,
    runId: run.id,
    kind: run.kind,
    mode: run.mode,
    state:
      run.state === "closed" ? ((run.result ?? "incomplete") as RunState) : paused ? "paused" : "running",
    fetched:
      run.created +
      run.updated +
      run.unchanged +
      run.missing +
      run.differing +
      run.deadWithId +
      run.acceptedWithId,
    created: run.created,
    updated: run.updated,
    unchanged: run.unchanged,
    removed: run.removed,
    accepted: run.accepted,
    deadLettered: deadLetteredBy(run),
    requests: run.requests,
    batches: run.state === "closed" ? run.planned : run.done,
    durationMs: Math.max(0, endMs - Date.parse(run.startedAt)),
    watermark,
    error: paused ? pausedError(machine) : toRunError(run.error),
    phase: phaseOf(run),
    pass: run.pass,
    expected: run.expected,
    batchesDone: run.done,
    batchesPlanned: run.planned,
    actor: run.actor,
    reason: run.reason,
    startedAt: run.startedAt,
    endedAt: run.endedAt,
    checkpoint: run.checkpoint,
    note: run.note,
    reconciled: run.reconciled,
    // A paused one goes on when a person resumes, whatever it had waited for.
    waiting: run.state === "closed" || paused ? null : (waitOf(machine) ?? run.waiting),
    retrying: run.retrying,
  };
}

/** It ended incomplete only because of records and batches that were dead letters. */
function isShortByLetters({ state, deadLettered, error }: RunProgress): boolean {
  if (deadLettered === 0) return false;
  // No batch of a failed checkpoint was committed: the code is that of its failure.
  const forLetters = error?.code === "PROV_BAD_RECORDS" || error?.code === "PROV_BATCH_DEAD";
  return state === "failed" || (state === "incomplete" && forLetters);
}

export async function providerStatus(
  context: ProviderContext,
  machine: ProviderMachineStore,
): Promise<Omit<ProviderStatus, "nextRun" | "staleAfterMs">> {
  const [now, meta, nowMs, openRunId, jobs, records, recent, replays, letters, last] = await Promise.all([
    machine.read(),
    context.runs.meta(),
    context.runs.now(),
    context.runs.openRunId(),
    context.queue.counts(),
    context.records.count(),
    context.runs.recentRunIds(RUNS_LOOKED_THROUGH),
    context.runs.recentReplayIds(2),
    deadLetterCounts(context),
    lastCheckpoint(context),
  ]);
  const around = { provider: context.provider.name, watermark: meta.watermark, machine: now, nowMs };
  const progressOf = async (runId: string | null | undefined): Promise<RunProgress | null> => {
    const run = runId ? await context.runs.read(runId) : undefined;
    return run === undefined ? null : toProgress(run, around);
  };
  // A reconciliation says nothing of whether the mirror is kept up to date.
  const closed = async (ids: readonly string[]): Promise<RunProgress | null> => {
    for (const id of ids) {
      const run = id === openRunId ? null : await progressOf(id);
      if (run !== null && run.mode !== "reconcile") return run;
    }
    return null;
  };
  const [openRun, lastRun, lastReplay] = await Promise.all([
    progressOf(openRunId),
    closed(recent),
    closed(replays),
  ]);
  const cap = capOf(context, letters);
  return {
    provider: context.provider.name,
    machine: machineStatus(now),
    verified: meta.verifiedAt !== null,
    watermark: meta.watermark,
    verifiedAt: meta.verifiedAt,
    edition: storedEdition(meta),
    records,
    openRun,
    lastRun,
    lastRunSettled: lastRun !== null && cap.entries === 0 && isShortByLetters(lastRun),
    lastReplay,
    jobs,
    deadLetters: cap,
    reconciled: meta.reconciled,
    reconcileFailed: meta.reconcileFailed,
    lastCheckpoint: openRun?.checkpoint ?? last,
  };
}

/** The edition of the last complete run. */
export const storedEdition = ({ edition }: { edition: string | null }): Edition | null =>
  edition === null ? null : (JSON.parse(edition) as { edition: Edition }).edition;

/** Newest runs among which the last ordinary one is looked for. */
const RUNS_LOOKED_THROUGH = 20;

/** So many of the newest are looked through for one that was committed: many may have failed in a row. */
const LOOKED_THROUGH = 50;

/** URN of the newest checkpoint that was committed. */
export async function lastCheckpoint(context: ProviderContext): Promise<string | null> {
  const { entries } = await context.batches.checkpoints({ limit: LOOKED_THROUGH });
  return entries.find(({ ok }) => ok === "1")?.urn ?? null;
}

/** Newest first. */
export async function checkpoints(
  context: ProviderContext,
  options: { limit: number; failed?: boolean; successOnly?: boolean },
): Promise<Checkpoint[]> {
  const found: Checkpoint[] = [];
  for (let before: string | undefined; found.length < options.limit; ) {
    // Checkpoints of the wanted kind may be few among many.
    const page = options.failed || options.successOnly ? 500 : Math.min(500, options.limit - found.length);
    const { entries, next } = await context.batches.checkpoints({ limit: page, before });
    for (const fields of entries) {
      const success = fields.ok === "1";
      if (success ? options.failed : options.successOnly) continue;
      found.push({
        urn: fields.urn ?? "",
        runId: fields.run ?? "",
        batch: fields.batch ?? "",
        pass: Number(fields.pass ?? "1"),
        records: Number(fields.records ?? "0"),
        at: fields.at ?? "",
        success,
        error: fields.error ?? null,
      });
      if (found.length === options.limit) break;
    }
    if (next === null) break;
    before = next;
  }
  return found;
}
