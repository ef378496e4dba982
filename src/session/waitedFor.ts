/** What a run waits for, in words, so that the error of a time-out says what to fix. */
import { UeeError } from "../core/errors.ts";
import { formatRough } from "../core/figures.ts";
import { oneLine } from "../core/printable.ts";
import { inTime } from "../core/waiting.ts";
import type { BatchRetry, Engine, EngineStatus, RunProgress, WorkerStatus } from "../engine/api.ts";
import { mapRedisError } from "../redis/errors.ts";
import { fleetProblems } from "./problems.ts";
import { situationWithReason } from "./situation.ts";

/** A Redis that does not answer within this is what is waited for, ms. */
const LOOK_MS = 1_000;

/** How the clause begins where Redis is what was waited for. */
export const waitedForRedis = "waiting for Redis";

/** @param clause of `waitedFor` */
export const gaveUpWaiting = (clause: string): UeeError =>
  new UeeError(
    "SYS_WAIT_TIMEOUT",
    `The time given was not enough; the run stays open. It was waiting for ${clause}.`,
  );

/** `w0/0: PROV_NOT_FOUND: The upstream answered 404, attempt 3 of 8, next in 8 s` */
export function retryText(
  { batch, code, message, attempt, attempts, nextAt }: BatchRetry,
  now: number,
): string {
  const left = Date.parse(nextAt) - now;
  const next = left > 0 ? `next in ${formatRough(left)}` : "the next is under way or waits for its turn";
  return `${batch}: ${code}: ${oneLine(message).replace(/\.$/, "")}, attempt ${attempt} of ${attempts}, ${next}`;
}

/** What a provider's open run waits for now, as a clause. Never rejects, and answers within about a second. */
export async function waitedFor(
  engine: Pick<Engine, "status" | "liveWorkers">,
  provider: string,
): Promise<string> {
  let why = "it does not answer";
  let found: [EngineStatus, WorkerStatus[]] | undefined;
  const look = Promise.all([engine.status(), engine.liveWorkers()]).then(
    (seen) => {
      found = seen;
    },
    (error: unknown) => {
      why = mapRedisError(error).detail.replace(/\.$/, "");
    },
  );
  await inTime(LOOK_MS, look, () => undefined);
  return found === undefined ? `Redis: ${why}` : clauseOf(...found, provider);
}

function clauseOf(status: EngineStatus, live: readonly WorkerStatus[], name: string): string {
  const now = Date.parse(status.at);
  const trouble = fleetProblems(status).find(({ kind }) => kind === "redis_trouble");
  if (trouble) return `Redis: ${trouble.text}`;
  const provider = status.providers.find((one) => one.provider === name);
  if (provider === undefined) return "the provider to be known";
  const held = situationWithReason(provider.machine, now);
  if (provider.machine.state === "PAUSED") return `a person to resume: ${name} was ${held}`;
  if (!live.some(({ providers }) => providers.includes(name))) {
    return `a worker: none lives that takes batches of ${name}`;
  }
  const { openRun } = provider;
  if (provider.machine.state === "WAITING_QUOTA") return `a permit: ${name} ${held}`;
  if (held !== undefined) return `the upstream: ${name} ${held}`;
  if (openRun === null) return "the run to open";
  const [retry] = openRun.retrying;
  if (retry) return `the next attempt of a batch that failed: ${retryText(retry, now)}`;
  if (openRun.waiting !== null && Date.parse(openRun.waiting.until) > now) {
    return `the upstream: ${oneLine(openRun.waiting.reason)}`;
  }
  return progressClause(openRun, provider.jobs);
}

function progressClause(
  { phase, runId, mode, batchesDone, batchesPlanned }: RunProgress,
  jobs: EngineStatus["providers"][number]["jobs"],
): string {
  const jobsText = `${jobs.active} jobs active, ${jobs.waiting} waiting, ${jobs.delayed} delayed`;
  return `the ${mode} run ${runId}, which is at work: ${phase}, ${batchesDone} of ${batchesPlanned} batches done, ${jobsText}`;
}
