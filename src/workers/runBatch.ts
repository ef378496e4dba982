/**
 * The steps of a batch: fetch → validate → commit → set bad records aside → checkpoint. Nothing here knows BullMQ.
 *
 * Killed at any point the batch is repeated whole; what was committed before compares equal and is counted once.
 */
import { describeEdition, type Edition, isOlderEdition } from "../core/edition.ts";
import { toUeeError, UeeError } from "../core/errors.ts";
import type { Fetcher } from "../core/fetching.ts";
import type { WeightedGate } from "../core/semaphore.ts";
import { SourceText } from "../core/sourceText.ts";
import { formatUrn } from "../core/urn.ts";
import type { ExtractContext, Extracted } from "../providers/contract.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import type { Attempt } from "../records/contract.ts";
import { mapRedisError } from "../redis/errors.ts";
import { toEntries } from "../runs/batches.ts";
import { bundlePayload, extractBundled } from "../runs/bundleBatches.ts";
import { addDueJobs } from "../runs/dueJobs.ts";
import type { RunRecord } from "../runs/runRecord.ts";
import type { BatchSummary } from "./attempt.ts";
import type { BatchKind } from "./batchKind.ts";
import { type ProviderContext, timed, type UpstreamHandle } from "./context.ts";
import { ReceivedRecords } from "./receivedRecords.ts";

/** The stored change key, if it holds under today's provider version and address and this run may use it. */
async function usableChangeKey(
  context: ProviderContext,
  run: RunRecord,
): Promise<Record<string, unknown> | null> {
  if (run.mode === "full") return null;
  const { changeKey } = await context.runs.meta();
  if (changeKey === null) return null;
  const stored = JSON.parse(changeKey) as { source: string; key: Record<string, unknown> };
  return stored.source === context.source ? stored.key : null;
}

/** The edition of the last complete run, as it is kept in meta. */
interface VerifiedEdition {
  source: string;
  edition: Edition;
}

/**
 * Why the edition that was received must be left alone: it is older than that of the last complete run, as from a server
 * that lags behind. Undefined when it may be stored.
 */
async function olderThanVerified(
  context: ProviderContext,
  run: RunRecord,
  edition: Edition | undefined,
): Promise<string | undefined> {
  if (edition === undefined || run.allowOlder) return undefined;
  const [{ edition: kept }, nowMs] = await Promise.all([context.runs.meta(), context.runs.now()]);
  if (kept === null) return undefined;
  const verified = JSON.parse(kept) as VerifiedEdition;
  const sameSource = verified.source === context.source;
  // @safeguard older-edition-refused
  if (!isOlderEdition(edition, verified.edition, { nowMs, sameSource })) return undefined;
  const [ours, theirs] = [describeEdition(verified.edition), describeEdition(edition)];
  return `The upstream served edition ${theirs}; the store is verified at ${ours}. It was left alone.`;
}
type ExtractLimits = Pick<ExtractContext, "signal" | "lastAttempt">;

async function extract(
  context: ProviderContext,
  job: BatchJob,
  kind: BatchKind,
  run: RunRecord,
  received: ReceivedRecords,
  { signal, lastAttempt }: ExtractLimits,
): Promise<{ extracted: Extracted<unknown>; bytes: number; most: number }> {
  const { provider } = context;
  /** Fetched and not yet handed over; at the end, and at most. */
  let bytes = 0;
  let most = 0;
  const holds = (more: number): void => {
    bytes += more;
    most = Math.max(most, bytes);
  };
  /** What was asked last: what goes wrong from then on is about its answer. */
  let asked: string | undefined;
  const logger = context.logger.child({ runId: job.runId, batch: job.batch });
  const fetcherOf = (upstream: UpstreamHandle): Fetcher => {
    const fetcher = upstream.fetcher({
      signal,
      logger,
      onRequest: () => named(() => context.runs.countRequest(job.runId)),
    });
    return {
      fetch: async (request) => {
        asked = request.url;
        const answer = await fetcher.fetch(request);
        holds(answer.body.length);
        return answer;
      },
      stream: (request) => {
        asked = request.url;
        return fetcher.stream(request);
      },
    };
  };
  const changeKey = await usableChangeKey(context, run);
  const { feeds } = context;
  const extractContext: ExtractContext = {
    fetcher: fetcherOf(context.upstream),
    feeds: feeds && { url: feeds.url, fetcher: fetcherOf(feeds.upstream) },
    url: context.url,
    apiKey: context.apiKey,
    mode: run.mode,
    changeKey,
    signal,
    lastAttempt,
    logger,
    pageSize: context.pageSize.seenBy(logger),
    stage: (name, slice) => named(() => context.stagedSlices.stage(job.runId, name, slice)),
    loadStaged: async (name) => {
      const loaded = await named(() => context.stagedSlices.load(kind.slicesOf, name));
      holds(loaded.bytes);
      return loaded.slice;
    },
    lookUp: (texts) => named(() => context.records.lookUp(texts)),
    loadFileList: (name) => named(() => context.fileLists.load(name)),
    keepFileLists: (lists, names) => named(() => context.fileLists.keep(lists, names)),
    noteWrong: (sha256) => named(() => context.stagedSlices.noteWrong(job.runId, sha256)),
    handOver: async (records, fetchedAt) => {
      holds(bytesOf(records));
      await named(() => inLane(context.workLane, signal, () => received.take(records, fetchedAt)));
      bytes = 0;
    },
  };
  const bundled = bundlePayload.safeParse(job.payload);
  if (bundled.success) {
    const extracted = await extractBundled(bundled.data, extractContext);
    return { extracted, bytes, most };
  }
  const payload = provider.batch.safeParse(job.payload);
  if (!payload.success) {
    throw new UeeError(
      "RPC_JOB_INVALID",
      `The payload of batch ${job.batch} is not valid: ${payload.error.message}`,
    );
  }
  try {
    const extracted = await provider.extract(payload.data, extractContext);
    holds(bytesOf(extracted.records));
    return { extracted, bytes, most };
  } catch (error) {
    // A socket or a file that fails here is the provider's own, not Redis'.
    throw withAddress(toUeeError(error), asked);
  }
}

/** Bytes of records that were read while they came, and were not fetched whole. */
const bytesOf = (records: readonly unknown[]): number =>
  records.reduce<number>((sum, record) => sum + (record instanceof SourceText ? record.bytes.length : 0), 0);

/** Codes of errors before anything was asked. */
const notAsked: ReadonlySet<string> = new Set(["PROV_RATE_WAIT", "PROV_CIRCUIT_OPEN"]);

/** An upstream's error names what was asked, without user, password and query; what names an address keeps it. */
function withAddress(error: UeeError, asked: string | undefined): UeeError {
  const { code, detail, cause, retryAfterMs, data } = error;
  const address = typeof data.url === "string" ? data.url : asked;
  if (!code.startsWith("PROV_") || notAsked.has(code)) return error;
  if (address === undefined || !URL.canParse(address) || /https?:\/\//.test(detail)) return error;
  const { origin, pathname } = new URL(address);
  const said = `${detail.replace(/\.$/, "")} (${origin}${pathname}).`;
  return new UeeError(code, said, { cause, data, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

/** Maps an error of Redis where a provider called the engine, before the provider can wrap it. */
async function named<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw mapRedisError(error);
  }
}

/** The steps of a batch in the name of its attempt. Throws UeeErrors; outcome.ts says what they mean for the job. */
export async function runBatch(
  context: ProviderContext,
  job: BatchJob,
  kind: BatchKind,
  attempt: Attempt,
  limits: ExtractLimits,
): Promise<BatchSummary> {
  const { signal } = limits;
  const run = await context.runs.read(job.runId);
  if (run === undefined) return { skipped: "run gone" };
  // @safeguard letter-outlives-its-replay
  const received = new ReceivedRecords(context, run, attempt, signal);
  const fetched = await fetchStep(context, job, kind, run, received, limits);
  try {
    await kind.checkFetched(fetched.extracted.fetchedAt);
    const older = await olderThanVerified(context, run, fetched.extracted.facts?.edition);
    return await inLane(context.workLane, signal, () =>
      workStep(
        context,
        job,
        kind,
        attempt,
        received,
        older === undefined ? fetched.extracted : nothingOf(older),
      ),
    );
  } finally {
    context.buffer.records -= fetched.extracted.records.length;
    context.budget.leave(fetched.weight);
  }
}

async function inLane<T>(lane: WeightedGate, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  await lane.enter(1, signal);
  try {
    return await work();
  } finally {
    lane.leave(1);
  }
}

/** Fetches in the fetch lane, within the byte budget: what this provider's last batch weighed is the best guess. */
async function fetchStep(
  context: ProviderContext,
  job: BatchJob,
  kind: BatchKind,
  run: RunRecord,
  received: ReceivedRecords,
  limits: ExtractLimits,
): Promise<{ extracted: Extracted<unknown>; weight: number }> {
  const { signal } = limits;
  await context.fetchLane.enter(1, signal);
  try {
    const guess = context.lastWeight.bytes;
    await context.budget.enter(guess, signal);
    try {
      context.onStep("fetch", "before", job.batch);
      const { extracted, bytes, most } = await extract(context, job, kind, run, received, limits);
      context.onStep("fetch", "after", job.batch);
      const weight = Math.max(1, bytes);
      context.buffer.records += extracted.records.length;
      context.budget.reweigh(guess, weight);
      context.lastWeight.bytes = Math.max(1, most);
      return { extracted, weight };
    } catch (error) {
      context.budget.leave(guess);
      throw error;
    }
  } finally {
    context.fetchLane.leave(1);
  }
}

/** What a batch received, and that it is to be left alone. */
type Answer = Extracted<unknown> & { older?: string };

/** An older edition counts as not received at all, so that replays of newer slices stay possible. */
const nothingOf = (older: string): Answer => ({ records: [], fetchedAt: 0, older });

async function workStep(
  context: ProviderContext,
  job: BatchJob,
  kind: BatchKind,
  attempt: Attempt,
  received: ReceivedRecords,
  extracted: Answer,
): Promise<BatchSummary> {
  // @safeguard commit-before-checkpoint
  await received.take(extracted.records, extracted.fetchedAt);
  const more = toEntries(
    (extracted.more ?? []).map((batch) => ({ ...batch, key: kind.discoveredKey(batch.key) })),
    attempt.pass,
  );
  context.onStep("checkpoint", "before", job.batch);
  const result = {
    urn:
      received.last === undefined
        ? null
        : formatUrn({
            authority: context.provider.authority,
            type: context.provider.name,
            id: received.last,
          }),
    records: received.good,
    ...(extracted.facts ? { facts: extracted.facts } : {}),
    ...(extracted.notModified ? { notModified: true } : {}),
    ...(extracted.older === undefined ? {} : { older: extracted.older }),
  };
  const changeKey = extracted.changeKey
    ? JSON.stringify({ source: context.source, key: extracted.changeKey })
    : null;
  // @safeguard checkpoint
  const { outstanding } = await timed(context, () =>
    context.batches.checkpoint(attempt, result, {
      newest: received.newest,
      more,
      changeKey,
      fetchedAt: extracted.fetchedAt,
    }),
  );
  context.onStep("checkpoint", "after", job.batch);
  await kind.committed();
  if (extracted.consumed !== undefined) await context.stagedSlices.drop(kind.slicesOf, extracted.consumed);
  await addDueJobs(context, job.runId, more, outstanding);
  const { committed } = received;
  context.logger.debug(
    { event: "batch_done", runId: job.runId, batch: job.batch, bad: received.bad, ...committed },
    "batch committed",
  );
  return {
    records: received.good,
    created: committed.created,
    updated: committed.updated,
    unchanged: committed.unchanged + committed.stale,
    bad: received.bad,
    bytes: committed.bytesWritten,
  };
}
