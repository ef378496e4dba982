/**
 * Dead letters that settle by themselves, because a verified run has stored the record since, no longer saw it, or has
 * covered what the batch stood for: docs/dead-letters.md has the rules. Replays look at the same facts, so that neither
 * writes what the other calls done.
 */
import { processActor } from "../../runs/processIdentity.ts";
import type { RunRecord } from "../../runs/runRecord.ts";
import { logAction } from "./actionLog.ts";
import type { BadRecordFacts } from "./badRecords.ts";
import type { StoredDeadLetter } from "./deadLetter.ts";
import type { DeadLetterParts } from "./parts.ts";
import { endDeadLetter, removeFailedJob } from "./settle.ts";

const NOTED_TOGETHER = 500;
/** Dead letters that the history names of those that a run settled. */
const NAMED = 5;

/** A run that opened later was verified and has seen all that a batch of `runId` stood for. */
export async function batchIsCovered(
  { runs, provider }: Pick<DeadLetterParts, "runs" | "provider">,
  runId: string,
): Promise<boolean> {
  const [origin, meta] = await Promise.all([runs.read(runId), runs.meta()]);
  if (!origin) return false;
  const increment =
    origin.kind === "ordinary" && origin.mode === "incremental" && provider.kind === "windowed";
  const covered = increment ? Math.max(meta.wholeOpened, meta.verifiedOpened) : meta.wholeOpened;
  return covered > origin.opened;
}

/**
 * Settles the dead letters that a closed run has covered, and returns their ids. The run must still have its marks. Does
 * nothing for a run that was not verified. May be repeated.
 */
async function settleCovered(parts: DeadLetterParts, runId: string): Promise<string[]> {
  const { runs, deadLetters } = parts;
  const [run, meta] = await Promise.all([runs.read(runId), runs.meta()]);
  if (run?.kind !== "ordinary" || meta.verifiedOpened !== run.opened) return [];
  const seesAll = meta.wholeOpened === meta.verifiedOpened;
  const settled: string[] = [];
  for (const state of ["dead", "accepted"] as const) {
    for await (const page of deadLetters.pages({ state })) {
      for (const letter of await coveredOf(parts, run, seesAll, page)) {
        if ((await removeFailedJob(parts, letter)) && (await endDeadLetter(parts, letter, "cover")))
          settled.push(letter.id);
      }
    }
  }
  return settled;
}

async function coveredOf(
  parts: DeadLetterParts,
  run: RunRecord,
  seesAll: boolean,
  page: readonly StoredDeadLetter[],
): Promise<StoredDeadLetter[]> {
  const ofRecords = page.filter(({ kind }) => kind === "record");
  const facts = await parts.badRecords.manyFacts(ofRecords.map(({ id }) => id));
  const [marks, metIn] = await Promise.all([
    parts.records.seen(
      run.id,
      facts.map(({ id }) => id ?? ""),
    ),
    parts.batches.entries(run.id, [...new Set(facts.map(({ batch }) => batch))]),
  ]);
  const byId = new Map(
    facts.map((one, i) => [one.deadLetterId, { one, mark: one.id === null ? undefined : marks[i] }]),
  );
  const passOf = new Map(metIn.map(({ key, pass }) => [key, pass]));
  const gone = (one: BadRecordFacts, isSeen: boolean, state: StoredDeadLetter["state"]): boolean => {
    if (!seesAll) return false;
    // An accepted one stays while its record is bad: its content may come back.
    if (state === "accepted" && (isNotModified(run) || isSeen)) return false;
    if (one.runId === run.id) return (passOf.get(one.batch) ?? run.pass) < run.pass;
    // Met after this run began and not by it: by a later one.
    return one.fetchedAt < run.opened;
  };
  const covered: StoredDeadLetter[] = [];
  for (const letter of page) {
    const known = byId.get(letter.id);
    if (letter.kind === "record" && known) {
      const { one, mark } = known;
      const stored = mark?.good === true && mark.fetchedAt > one.fetchedAt;
      // @safeguard covered-letter
      if (stored || gone(one, mark !== undefined, letter.state)) covered.push(letter);
    } else if (letter.kind === "batch" && (await batchIsCovered(parts, letter.runId))) {
      covered.push(letter);
    }
  }
  return covered;
}

const isNotModified = ({ verdict }: RunRecord): boolean =>
  verdict !== null && (JSON.parse(verdict) as { notModified?: boolean }).notModified === true;

/** Settles what the run has covered, and records that in the history of operators' actions. */
export async function settleCoveredDeadLetters(parts: DeadLetterParts, runId: string): Promise<void> {
  const settled = await settleCovered(parts, runId);
  if (settled.length === 0) return;
  const what = `settled ${settled.length}`;
  parts.logger.info(
    { event: "dead_letters_settled", runId, letters: settled.length },
    `dead letters: ${what}`,
  );
  const named = settled.slice(0, NAMED).join(", ");
  const more = settled.length - NAMED;
  await logAction(parts, {
    what,
    selection: more > 0 ? `${named} and ${more} more` : named,
    actor: processActor().name,
    actorKind: "engine",
    reason: `settled by run ${runId}: it stored these records, no longer saw them, or covered these batches`,
  });
}

/**
 * Notes the dead letters whose record this run received in a good version. No replay of their older bytes may overwrite that
 * version, even where it equalled the stored one and left no trace but its mark.
 */
export async function noteSeenAgain(
  { deadLetters, badRecords, records }: DeadLetterParts,
  runId: string,
): Promise<void> {
  for await (const ids of deadLetters.idsOfClass("bad-record", NOTED_TOGETHER)) {
    const facts = (await badRecords.manyFacts(ids)).filter((one) => one.id !== null);
    const seen = await records.seen(
      runId,
      facts.map(({ id }) => id as string),
    );
    await Promise.all(
      facts.map(async ({ deadLetterId, fetchedAt }, i) => {
        const mark = seen[i];
        if (mark?.good && mark.fetchedAt > fetchedAt)
          await deadLetters.supersede(deadLetterId, mark.fetchedAt);
      }),
    );
  }
}
