/**
 * The batch of one bad record: its kept bytes are validated and committed again, since the provider may have been corrected
 * meanwhile.
 */
import { type ErrorCode, UeeError } from "../../core/errors.ts";
import { SourceText } from "../../core/sourceText.ts";
import { formatUrn } from "../../core/urn.ts";
import type { TransformedRecord } from "../../providers/contract.ts";
import type { BatchJob } from "../../queues/jobCatalog.ts";
import type { Attempt } from "../../records/contract.ts";
import { addDueJobs } from "../../runs/dueJobs.ts";
import type { BadRecordFacts } from "./badRecords.ts";
import type { DeadLetterParts, ValidateRecord } from "./parts.ts";
import { replayedBatch } from "./replayedBatch.ts";

export function badRecordBatch(parts: DeadLetterParts, job: BatchJob, validate: ValidateRecord) {
  const { provider, runs, batches, records, badRecords, deadLetters } = parts;
  const { deadLetterId: id } = job.payload as { deadLetterId: string };
  const replay = replayedBatch(parts, job);

  /** @throws UeeError why the record is still bad */
  const readAgain = (raw: Buffer, { code, message }: BadRecordFacts): TransformedRecord => {
    let source: SourceText;
    try {
      source = SourceText.of(raw);
      if (source.refusal === undefined) source.parse();
    } catch {
      // XML, or cut off: what was refused while it was read cannot be read from its bytes.
      throw new UeeError(code as ErrorCode, message);
    }
    const record = validate(provider, source);
    if (record instanceof UeeError) throw record;
    return record;
  };

  const facts = async (): Promise<BadRecordFacts> => {
    const found = await badRecords.facts(id);
    if (!found) throw new UeeError("STOR_STAGE_LOST", `The raw bytes of ${id} are gone.`);
    return found;
  };

  return {
    ...replay,

    /**
     * The kept bytes must not be written when a verified run that saw the whole upstream opened after they were received and
     * did not meet them, or when a run has received a good version since.
     */
    async superseded(): Promise<string | undefined> {
      const { id: recordId, fetchedAt } = await facts();
      const [meta, deadLetter, seen] = await Promise.all([
        runs.meta(),
        deadLetters.get(id),
        recordId === null ? [] : records.seen(job.runId, [recordId]),
      ]);
      if (meta.wholeOpened > fetchedAt) return "the upstream no longer has it";
      const mark = seen[0];
      const later = Math.max(deadLetter?.supersededAt ?? 0, mark?.good ? mark.fetchedAt : 0);
      // @safeguard replay-record-outdated
      return later > fetchedAt ? "a newer version was received since" : undefined;
    },

    async run(attempt: Attempt, signal: AbortSignal): Promise<{ records: number; stale: number }> {
      const [known, raw] = await Promise.all([facts(), badRecords.raw(id)]);
      if (!raw) throw new UeeError("STOR_STAGE_LOST", `The raw bytes of ${id} are gone.`);
      const record = readAgain(raw, known);
      // Seen when it was met, not now: a record that later passes of this run do not meet must still be removed.
      const [mark] = await records.seen(job.runId, [record.id]);
      const written = { ...attempt, pass: mark?.pass ?? attempt.pass };
      const committed = await records.commit(written, [{ ...record, fetchedAt: known.fetchedAt }], {
        staleness: provider.kind === "windowed" ? "latest-wins" : "fetch-order",
        acceptRepeatedRegression: false,
        keptBytes: true,
        signal,
      });
      await runs.errorTakenBack(job.runId);
      const urn = formatUrn({ authority: provider.authority, type: provider.name, id: record.id });
      const { outstanding } = await batches.checkpoint(attempt, { urn, records: 1 });
      await replay.committed();
      if ((await deadLetters.get(id)) === undefined) await badRecords.forget(id);
      await addDueJobs(parts, job.runId, [], outstanding);
      return { records: 1, stale: committed.stale };
    },
  };
}
