/**
 * Holds the index of dead letters against the failed set and the runs, and finishes what a crash left. Every repair is a
 * compare-and-set or may be done twice, so any number of pods may sweep at once.
 *
 *  | found                                                  | done                                                        |
 *  |--------------------------------------------------------|-------------------------------------------------------------|
 *  | a dead letter being replayed, its old job still failed | the old job goes                                            |
 *  | … whose batch is committed                             | the dead letter is settled                                  |
 *  | … whose batch was cancelled, or its run is over        | the dead letter is dead again, as it was                    |
 *  | … whose batch is planned and has no job                | nothing here: the reconciler gives a planned batch its job  |
 *  | a failed job without a dead letter                     | it gets one; a finish step of a run that is over goes       |
 *  | a failed job of an older generation of a dead letter   | the job goes                                                |
 *  | a dead letter whose failed job was removed by hand     | it stays: a replay needs only its run, or its bytes         |
 */
import { sha256 } from "../../core/sha256.ts";
import { batchJob } from "../../queues/jobCatalog.ts";
import type { FailedJob } from "../../queues/providerQueue.ts";
import { deadLetterIdOf, failureOf, type StoredDeadLetter } from "./deadLetter.ts";
import type { DeadLetterParts } from "./parts.ts";
import { endDeadLetter } from "./settle.ts";

const PAGE = 200;

export interface DeadLetterRepair {
  letter: string;
  repair: string;
}

type SweeperParts = Pick<
  DeadLetterParts,
  "batches" | "queue" | "deadLetters" | "badRecords" | "stagedSlices"
>;

/** `thorough`: the failed set is looked through even where the counts agree. */
export async function sweepDeadLetters(parts: SweeperParts, thorough: boolean): Promise<DeadLetterRepair[]> {
  const repairs = await sweepReplays(parts);
  repairs.push(...(await adoptFailed(parts, thorough)));
  if (thorough) repairs.push(...(await missingJobs(parts)));
  return repairs;
}

/** Finishes replays that a crash, or the end of their run, left half done; of one run, or of all. */
export async function sweepReplays(parts: SweeperParts, runId?: string): Promise<DeadLetterRepair[]> {
  const repairs: DeadLetterRepair[] = [];
  for await (const letters of parts.deadLetters.pages({ state: "replaying" })) {
    const mine = letters.filter(({ replay }) => replay && (runId === undefined || replay.runId === runId));
    const found = await Promise.all(mine.map((letter) => finishReplay(parts, letter)));
    mine.forEach((letter, i) => {
      for (const repair of found[i]!) repairs.push({ letter: letter.id, repair });
    });
  }
  return repairs;
}

async function finishReplay(parts: SweeperParts, letter: StoredDeadLetter): Promise<string[]> {
  const { batches, queue, deadLetters } = parts;
  const repairs: string[] = [];
  const replay = letter.replay!;
  if (letter.jobId !== null) {
    await queue.remove(letter.jobId);
    await deadLetters.forgetJob(letter.id, letter.jobId);
    repairs.push("the failed job of a letter that is replayed went");
  }
  const { runState, status } = await batches.stateOf(replay.runId, replay.key);
  if (status === "c") {
    if (await endDeadLetter(parts, letter, "settle")) repairs.push("settled after its replay");
  } else if (status !== "p" || runState === null || runState === "closed") {
    if (await deadLetters.giveBack(letter)) repairs.push("its replay was cancelled: dead again");
  }
  return repairs;
}

async function adoptFailed(parts: SweeperParts, thorough: boolean): Promise<DeadLetterRepair[]> {
  const { queue, deadLetters } = parts;
  const [{ failed }, known] = await Promise.all([queue.counts(), deadLetters.jobCount()]);
  if (!thorough && failed === known) return [];
  const repairs: DeadLetterRepair[] = [];
  // What is removed on the way moves the rest up: the next round meets what this one passed over.
  for (let start = 0; ; start += PAGE) {
    const ids = await queue.failedIds(start, start + PAGE - 1);
    for (const id of await deadLetters.jobsWithoutLetter(ids)) {
      const repair = await adopt(parts, id);
      if (repair) repairs.push(repair);
    }
    if (ids.length < PAGE) return repairs;
  }
}

async function adopt(parts: SweeperParts, jobId: string): Promise<DeadLetterRepair | undefined> {
  const { batches, queue, deadLetters, badRecords } = parts;
  const job = await queue.failedJob(jobId);
  if (!job) return undefined;
  const parsed = batchJob.safeParse(job.data);
  if (!parsed.success || (job.name !== "batch" && job.name !== "record" && job.name !== "finish")) {
    return await adoptForeign(parts, jobId, job);
  }
  const { runId, batch, letter, size } = parsed.data;
  const { runState, status } = await batches.stateOf(runId, batch);
  if (job.name === "finish") {
    // It is no batch: what went wrong stands in its run.
    if (runState !== null && runState !== "closed") return undefined;
    await queue.remove(jobId);
    return { letter: "", repair: "the failed last step of a run that is over went" };
  }
  // The reconciler marks it dead in its run.
  if (status === "p" && runState === "open") return undefined;
  const id = letter?.letter ?? deadLetterIdOf(runId, batch);
  const existing = await deadLetters.get(id);
  if (existing) {
    if (existing.state === "dead" && existing.jobId === null) {
      await deadLetters.change(id, { state: "dead", job: "" }, { job: jobId });
      return { letter: id, repair: "found its failed job again" };
    }
    await queue.remove(jobId);
    return { letter: id, repair: "the failed job of an older generation went" };
  }
  const facts = job.name === "record" ? await badRecords.facts(id) : undefined;
  const adopted = await deadLetters.adopt({
    id,
    kind: job.name,
    runId: letter?.runId ?? runId,
    batch: letter?.batch ?? batch,
    subject: facts?.id ?? letter?.batch ?? batch,
    size,
    failedMs: job.failedAt,
    failure: failureOf(job, job.name === "record" ? await badRecords.size(id) : 0),
  });
  return adopted ? { letter: id, repair: "a failed job got its letter" } : undefined;
}

async function adoptForeign(
  { deadLetters }: SweeperParts,
  jobId: string,
  job: FailedJob,
): Promise<DeadLetterRepair | undefined> {
  const id = `j-${sha256(jobId).slice(0, 24)}`;
  const adopted = await deadLetters.adopt({
    id,
    kind: "job",
    runId: "",
    batch: "",
    subject: job.name,
    size: 0,
    failedMs: job.failedAt,
    failure: failureOf(job, 0),
  });
  return adopted ? { letter: id, repair: "a failed job that is none of ours got a letter" } : undefined;
}

async function missingJobs({ queue, deadLetters }: SweeperParts): Promise<DeadLetterRepair[]> {
  const repairs: DeadLetterRepair[] = [];
  for await (const page of deadLetters.pages({})) {
    const withJob = page.flatMap(({ id, jobId, state }) =>
      jobId === null || state === "replaying" ? [] : [{ id, jobId }],
    );
    const missing = await queue.missing(withJob.map(({ jobId }) => jobId));
    for (const { id, jobId } of withJob) {
      if (!missing.has(jobId)) continue;
      await deadLetters.forgetJob(id, jobId);
      repairs.push({ letter: id, repair: "its failed job was removed by hand: the dead letter stays" });
    }
  }
  return repairs;
}
