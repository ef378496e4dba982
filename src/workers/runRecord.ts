/** The job of one bad record: its kept bytes are tried as they are. Nothing here knows BullMQ. */
import { type ErrorCode, UeeError } from "../core/errors.ts";
import { SourceText } from "../core/sourceText.ts";
import type { AnyProvider, TransformedRecord } from "../providers/contract.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import type { Attempt } from "../records/contract.ts";
import type { BadRecordFacts } from "../recovery/deadLetters/badRecords.ts";
import { type BatchSummary, enqueueDue, inAttempt, nothingToDo, urnOf } from "./attempt.ts";
import type { ProviderContext } from "./context.ts";
import { transformed } from "./judge.ts";
import { recordSuperseded, settleReplayed } from "./replayed.ts";

/** The job of one bad record: tried once more as it is, since the provider may have been mended meanwhile. */
export async function runRecord(
  context: ProviderContext,
  job: BatchJob,
  signal: AbortSignal,
): Promise<BatchSummary> {
  return await inAttempt(context, job, signal, (attempt) => recordSteps(context, job, attempt, signal));
}

/** @throws UeeError why the record is still bad */
function readAgain(provider: AnyProvider, raw: Buffer, { code, message }: BadRecordFacts): TransformedRecord {
  let source: SourceText;
  try {
    source = SourceText.of(raw);
  } catch {
    // XML, or cut off: what was refused while it was read cannot be read from its bytes.
    throw new UeeError(code as ErrorCode, message);
  }
  const record = transformed(provider, source);
  if (record instanceof UeeError) throw record;
  return record;
}

async function recordSteps(
  context: ProviderContext,
  job: BatchJob,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<BatchSummary> {
  const { deadLetterId: id } = job.payload as { deadLetterId: string };
  const [facts, raw] = await Promise.all([context.badRecords.facts(id), context.badRecords.raw(id)]);
  if (!facts || !raw) throw new UeeError("STOR_STAGE_LOST", `The raw bytes of ${id} are gone.`);
  const superseded = await recordSuperseded(context, job, {
    letterId: id,
    id: facts.id,
    fetchedAt: facts.fetchedAt,
  });
  if (superseded !== undefined) return await nothingToDo(context, job, attempt, superseded);
  const record = readAgain(context.provider, raw, facts);
  // Seen when it was met, not now: a record that this run's later passes do not meet any more must still go.
  const [mark] = await context.records.seen(job.runId, [record.id]);
  const written = { ...attempt, pass: mark?.pass ?? attempt.pass };
  const committed = await context.records.commit(written, [{ ...record, fetchedAt: facts.fetchedAt }], {
    staleness: context.provider.kind === "windowed" ? "latest-wins" : "fetch-order",
    acceptRepeatedRegression: false,
    keptBytes: true,
    signal,
  });
  await context.runs.errorTakenBack(job.runId);
  const { outstanding } = await context.runs.checkpoint(
    attempt,
    { urn: urnOf(context, record.id), records: 1 },
    { newest: null, more: [], changeKey: null, fetchedAt: 0 },
  );
  await settleReplayed(context, job);
  if ((await context.letters.get(id)) === undefined) await context.badRecords.forget(id);
  await enqueueDue(context, job.runId, [], outstanding);
  return { records: 1, stale: committed.stale };
}
