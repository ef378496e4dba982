/**
 * Replays of dead letters: take the dead letter and plan its batch again (one script), add the job from the plan, remove
 * the old failed job. Each step may be repeated by any process. A crash leaves a planned batch without a job, which the
 * reconciler mends, and an old job, which the sweeper removes.
 *
 * A batch whose run is open is planned there again. What died in a closed run is planned in the provider's replay run,
 * which opens when no other run is open: a replay never writes beside an ordinary run, and what ordinary runs have seen is
 * known before older bytes are written.
 */
import { randomBytes } from "node:crypto";
import type { NamedRequest } from "../../core/actor.ts";
import { loadScripts } from "../../redis/scripts.ts";
import { processActor } from "../../runs/processIdentity.ts";
import type { BatchEntry } from "../../runs/runRecord.ts";
import { cleanUp } from "../closedRuns.ts";
import type { DeadLetterState } from "./api.ts";
import { recordKey, replayKey, type StoredDeadLetter } from "./deadLetter.ts";
import type { DeadLetterParts } from "./parts.ts";

const scripts = loadScripts(import.meta.url, ["replayDeadLetter-10", "openReplayRun-6"]);

/** The open run and the replay run move seldom; a caller that meets one that does reads again. */
const MAX_TRIES = 20;
/** Jobs added at once. */
const AT_ONCE = 100;

export interface Taken {
  kind: "taken";
  letter: StoredDeadLetter;
  runId: string;
  key: string;
  generation: number;
  runState: "open" | "waiting";
}

/** planless: neither its run nor its raw bytes are there, so there is nothing to do again. */
export type Take = Taken | { kind: "refused"; why: DeadLetterState | "gone" | "planless" | "busy" };

/** What to do again. */
interface Plan {
  entry: BatchEntry;
  /** When the bytes of a bad record with an id were received last, µs; else 0. */
  metAt: number;
}

/** The first step. When several callers ask for one dead letter at once, one takes it. */
async function take(parts: DeadLetterParts, id: string, by: NamedRequest, nowMs: number): Promise<Take> {
  const { redis, runs, deadLetters } = parts;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const letter = await deadLetters.get(id);
    if (!letter) return { kind: "refused", why: "gone" };
    if (letter.state !== "dead") return { kind: "refused", why: letter.state };
    const [open, waiting] = await redis.mget(runs.keys.openRun, runs.keys.replayRun);
    const plan = await planOf(parts, letter);
    if (!plan) return { kind: "refused", why: "planless" };
    const pointers = { openId: open ?? "", pointer: waiting ?? "" };
    const reply = await planAgain(parts, letter, plan, { ...pointers, by, nowMs });
    if (reply[0] === 1) {
      const [, runId, key, generation, runState] = reply as [1, string, string, number, Taken["runState"]];
      return { kind: "taken", letter, runId, key, generation: Number(generation), runState };
    }
    if (reply[0] === -1) return { kind: "refused", why: "gone" };
    if (reply[0] === 0) return { kind: "refused", why: reply[1] as DeadLetterState };
  }
  return { kind: "refused", why: "busy" };
}

async function planOf(
  { redis, runs, badRecords }: DeadLetterParts,
  letter: StoredDeadLetter,
): Promise<Plan | undefined> {
  if (letter.kind === "record") {
    const [facts, bytes] = await Promise.all([badRecords.facts(letter.id), badRecords.size(letter.id)]);
    if (!facts || bytes === 0) return undefined;
    const payload = { deadLetterId: letter.id };
    const entry = { key: recordKey(letter.id), size: 1, payload, pass: 1, kind: "record" as const };
    return { entry, metAt: facts.id === null ? 0 : facts.fetchedAt };
  }
  if (letter.kind === "job") return undefined;
  const text = await redis.hget(runs.keys.run(letter.runId).batches, letter.batch);
  return text === null ? undefined : { entry: JSON.parse(text) as BatchEntry, metAt: 0 };
}

async function planAgain(
  parts: DeadLetterParts,
  letter: StoredDeadLetter,
  { entry, metAt }: Plan,
  { openId, pointer, by, nowMs }: { openId: string; pointer: string; by: NamedRequest; nowMs: number },
): Promise<[number, ...(string | number)[]]> {
  const { redis, provider, source } = parts;
  const { keys } = parts.runs;
  const now = new Date(nowMs).toISOString();
  const replayId = await replayRunId(parts, pointer, now);
  const open = keys.run(openId || replayId);
  const replay = keys.run(replayId);
  const isRecord = letter.kind === "record";
  const knownThere = isRecord ? await hasMet(parts, openId, metAt) : letter.runId === openId;
  const key = replayKey(letter.id, letter.replays + 1);
  const replayed: BatchEntry = {
    ...entry,
    key,
    pass: 1,
    letter: { letter: letter.id, runId: letter.runId, batch: letter.batch },
  };
  const newRun = [
    ...["id", replayId, "provider", provider.name, "source", source, "kind", "replay", "state", "waiting"],
    ...["mode", "incremental", "startedAt", now, "actor", by.actor, "actorKind", "person"],
    ...["reason", by.reason ?? "", "pass", "1", "round", "1"],
  ];
  return (await scripts.replayDeadLetter.run(
    redis,
    [
      ...[keys.deadLetters.index, keys.openRun, keys.replayRun],
      ...[open.run, open.batches, open.status],
      ...[replay.run, replay.batches, replay.status, replay.order],
    ],
    [
      ...[letter.id, letter.replays, openId, pointer, replayId],
      ...[knownThere ? entry.key : "", JSON.stringify(entry), letter.kind],
      ...[key, JSON.stringify(replayed)],
      ...[by.actor, now, by.reason ?? "", letter.size],
      ...newRun,
    ],
  )) as [number, ...(string | number)[]];
}

/** A run has met a record, and knows its place among those seen, when it was open as these bytes came last. */
async function hasMet({ runs }: DeadLetterParts, openId: string, metAt: number): Promise<boolean> {
  if (openId === "" || metAt === 0) return false;
  const run = await runs.read(openId);
  return run !== undefined && metAt >= run.opened;
}

/** The one that takes dead letters; a new one where there is none, or the last one is about to close. */
async function replayRunId(
  { redis, runs, provider }: DeadLetterParts,
  pointer: string,
  now: string,
): Promise<string> {
  const state = pointer === "" ? null : await redis.hget(runs.keys.run(pointer).run, "state");
  if (state === "waiting" || state === "open") return pointer;
  const stamp = now.replace(/[-:]/g, "").replace(".", "");
  return `${provider.name}-replay-${stamp}-${randomBytes(3).toString("hex")}`;
}

/**
 * Opens the replay run that waits, if it may open now: `opened` by this call, or `open` already.
 * `unclean`: what a closed run has seen must be noted first.
 */
async function openReplayRun({ redis, runs }: DeadLetterParts, runId: string) {
  const { openRun, replayRun, replayRuns, unclean, meta, run } = runs.keys;
  const reply = await scripts.openReplayRun.run(
    redis,
    [openRun, replayRun, run(runId).run, replayRuns, unclean, meta],
    [runId, new Date(await runs.now()).toISOString()],
  );
  const outcomes = {
    1: "opened",
    2: "open",
    0: "over",
    [-1]: "another run is open",
    [-2]: "unclean",
  } as const;
  return outcomes[Number(reply) as keyof typeof outcomes];
}

/** Dead letters, all at once; a page of them at most. Says of each whether it was taken, in the order given. */
export async function replayDeadLetters(
  parts: DeadLetterParts,
  ids: readonly string[],
  by: NamedRequest,
): Promise<Take[]> {
  const now = await parts.runs.now();
  // The first one alone: it may create the replay run that the others then find.
  const takes: Take[] = [];
  if (ids[0] !== undefined) takes.push(await take(parts, ids[0], by, now));
  takes.push(...(await Promise.all(ids.slice(1).map((id) => take(parts, id, by, now)))));
  const taken = takes.filter((take): take is Taken => take.kind === "taken");
  await Promise.all(
    taken.map(async ({ runId, key, generation, runState }) => {
      if (runState !== "open") return;
      await parts.queue.addBatches(runId, await parts.batches.entries(runId, [key]), generation);
    }),
  );
  // The process that opens the waiting run adds all jobs that are planned in it by then, these included.
  if (taken.some(({ runState }) => runState === "waiting")) await openReplays(parts);
  await Promise.all(
    taken.map(async ({ letter }) => {
      if (letter.jobId === null) return;
      await parts.queue.remove(letter.jobId);
      await parts.deadLetters.forgetJob(letter.id, letter.jobId);
    }),
  );
  return takes;
}

/** What keeps the replay run from opening, in words; or that it is open. Null: there is none. */
export interface ReplaysNow {
  runId: string;
  open: boolean;
  waitingFor: string | null;
}

/** Opens the replay run that waits, when nothing stands in its way, and adds its jobs. Safe at any time, from any pod. */
export async function openReplays(parts: DeadLetterParts): Promise<ReplaysNow | null> {
  const { runs, governor } = parts;
  for (;;) {
    const runId = await runs.replayRunId();
    if (runId === null) return null;
    const paused = await governor.isPaused();
    const state = (await runs.read(runId))?.state;
    if (state === "waiting" && paused) return { runId, open: false, waitingFor: "the provider is paused" };
    const outcome = await openReplayRun(parts, runId);
    if (outcome === "open") return { runId, open: true, waitingFor: null };
    if (outcome === "over") {
      if (state === undefined || state === "waiting") continue;
      return null;
    }
    if (outcome === "another run is open") {
      return { runId, open: false, waitingFor: `the run ${await runs.openRunId()} is open` };
    }
    if (outcome === "unclean") {
      for (const unclean of await runs.uncleanRunIds()) await cleanUp(parts, unclean);
      continue;
    }
    await governor.runOpened(processActor(), "dead letters are replayed");
    await addPlanned(parts, runId);
    return { runId, open: true, waitingFor: null };
  }
}

/** The jobs of all that was planned while the run waited. */
async function addPlanned(parts: DeadLetterParts, runId: string): Promise<void> {
  const planned = [...(await parts.batches.statuses(runId))].filter(([, { code }]) => code === "p");
  for (let i = 0; i < planned.length; i += AT_ONCE) {
    const keys = planned.slice(i, i + AT_ONCE).map(([key]) => key);
    const entries: BatchEntry[] = await parts.batches.entries(runId, keys);
    await parts.queue.addBatches(runId, entries);
  }
}
