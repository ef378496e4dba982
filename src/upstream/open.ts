/**
 * One fetch, from the fleet's permission to the classified answer. The guard (the circuit breaker) admits the call. A
 * request then opens its connection, takes a slot, asks the guard once more, is counted and is written at once. A
 * slot that is too old by then, or that a wait of the upstream has overtaken, is requested again; nothing is written
 * under it.
 */
import type { Dispatcher } from "undici";
import { UeeError } from "../core/errors.ts";
import type { FetchedHead, FetchRequest } from "../core/fetching.ts";
import type { Logger } from "../core/logger.ts";
import { makeScrubber, redactUrl } from "../core/secrets.ts";
import { type LinkedSignal, linkSignals } from "./abortable.ts";
import { readBody, readSnippet } from "./body.ts";
import { type Exchange, exchange } from "./exchange.ts";
import { isWhole, judgeFailure, judgeStatus, type Phase, type Verdict } from "./failures.ts";
import type { Guard, GuardedCall } from "./guard.ts";
import { type Hop, isConditional, isRedirect, linkedHop, makeHop, nextHop } from "./hops.ts";
import type { RateLimit, Slot } from "./rateLimit.ts";

export interface OpenContext {
  name: string;
  /** The answer in which the request's address was found. */
  foundIn?: Hop;
  limit: RateLimit;
  guard: Guard;
  dispatcher: Dispatcher;
  timeouts: { headersMs: number; idleMs: number; totalMs: number };
  userAgent: string;
  logger: Logger;
  /** The batch's signal. */
  signal: AbortSignal;
  /** Fires when the client is closed. */
  closing: AbortSignal;
  onRequest(): Promise<number | undefined> | number | undefined;
  /** Throws SYS_FLEET_DISAGREES. */
  ensureMember(): Promise<void>;
}

export interface OpenAnswer extends FetchedHead {
  /** The request that was answered: the last hop. */
  hop: Hop;
  /** Decoded and checked; empty on 304. Read it to its end or return from it. */
  body: AsyncIterable<Buffer>;
}

/** Number of slots that may turn out too old before this process counts as unable to send in time. */
const maxRounds = 10;
/** Number of rounds in which only a slot that was just granted is used. */
const strictRounds = 3;

/** The scope of one call: its signal and its clock. */
interface Scope extends LinkedSignal {
  startClock(): void;
  end(): void;
}

export async function openAnswer(request: FetchRequest, context: OpenContext): Promise<OpenAnswer> {
  const ended = endedBy(context);
  if (ended !== undefined) throw ended;
  const { guard, limit, signal } = context;
  const call = await guard.enter({ signal, limitAllows: () => limit.refuseLongWait() });
  const guarded = { ...context, call };
  const scope = makeScope(guarded);
  try {
    return await answerOf(request, guarded, scope);
  } catch (error) {
    scope.end();
    await call.abandoned();
    throw endedBy(guarded) ?? error;
  }
}

/** Runs within a call that the guard admitted. */
type CallContext = OpenContext & { call: GuardedCall };

async function answerOf(request: FetchRequest, context: CallContext, scope: Scope): Promise<OpenAnswer> {
  scope.signal.throwIfAborted();
  await context.ensureMember();
  const visited = new Set<string>();
  const { foundIn, userAgent } = context;
  for (let hop = foundIn ? linkedHop(foundIn, request, userAgent) : makeHop(request, userAgent); ; ) {
    visited.add(hop.url.href);
    const { answer, slot, fetchedAt } = await sendHop(hop, context, scope);
    const notModified = answer.status === 304 && isConditional(hop);
    if (isWhole(answer) || notModified) {
      context.limit.recovered(slot);
      const { headers } = answer;
      const status = notModified ? 304 : 200;
      const head = { status, headers, url: hop.url.href, fetchedAt, hop } as OpenAnswer;
      if (!notModified) return { ...head, body: checkedBody(request, { hop, slot, answer }, context, scope) };
      await readSnippet(answer);
      scope.end();
      await context.call.succeeded();
      return { ...head, body: emptyBody() };
    }
    if (!isRedirect(answer.status)) {
      const verdict = judgeStatus(answer.status, answer.headers, Date.now());
      throw await failing(await toError(verdict, { hop, slot, answer, readMore: true }, context), context);
    }
    await readSnippet(answer);
    hop = nextHop(hop, answer.headers.location, visited);
  }
}

function makeScope(context: CallContext): Scope {
  const linked = linkSignals(context.signal, context.closing, context.call.signal);
  const { totalMs } = context.timeouts;
  let timer: NodeJS.Timeout | undefined;
  return {
    ...linked,
    startClock: () => {
      timer ??= setTimeout(() => {
        linked.abort(new UeeError("PROV_TIMEOUT", `The answer was not complete after ${totalMs} ms.`));
      }, totalMs);
    },
    end: () => {
      clearTimeout(timer);
      linked.unlink();
    },
  };
}

/** The reason of an external signal that ended the call is rethrown unchanged, whatever error it caused. */
function endedBy({ signal, closing, call }: OpenContext & { call?: GuardedCall }): unknown {
  if (signal.aborted) return signal.reason;
  if (closing.aborted) return closing.reason;
  return call?.signal.aborted ? call.signal.reason : undefined;
}

/** The guard records the upstream's failures, but not those that our own cancellation caused. */
async function failing(error: UeeError, context: CallContext): Promise<unknown> {
  return endedBy(context) ?? (await context.call.failed(error));
}

async function sendHop(
  hop: Hop,
  context: CallContext,
  scope: Scope,
): Promise<{ answer: Exchange; slot: Slot; fetchedAt: number }> {
  const { limit } = context;
  let slot: Slot | undefined;
  let started = false;
  let fetchedAt: number | undefined;
  for (let round = 0; round < maxRounds; round++) {
    const current = slot;
    let answer: Exchange | null;
    try {
      answer = await exchange({
        ...{ dispatcher: context.dispatcher, url: hop.url, headers: hop.headers, signal: scope.signal },
        ...{ headersMs: context.timeouts.headersMs, idleMs: context.timeouts.idleMs },
        mayStart: () => {
          started = current !== undefined && limit.maySend(current, round <= strictRounds);
          return started;
        },
        onSent: () => limit.sent(current!),
      });
    } catch (cause) {
      if (slot && !started) limit.giveBack(slot);
      const verdict = toVerdict(cause, started ? "head" : "connect");
      throw await failing(await toError(verdict, { hop, slot, cause }, context), context);
    }
    if (answer) return { answer, slot: current!, fetchedAt: fetchedAt ?? current!.grantedAt };
    slot = await limit.take(scope.signal, slot);
    try {
      // After a long wait for the slot the circuit may have opened, or another process may hold the probe token.
      await context.call.confirm();
      if (!current) fetchedAt = await context.onRequest();
    } catch (error) {
      limit.giveBack(slot);
      throw error;
    }
    if (!current) scope.startClock();
  }
  limit.giveBack(slot!);
  throw new UeeError("PROV_CONNECTION", "This process is too slow to send a request in time.");
}

async function* checkedBody(
  request: FetchRequest,
  where: Where & { answer: Exchange },
  context: CallContext,
  scope: Scope,
): AsyncGenerator<Buffer> {
  try {
    yield* readBody(where.answer, request);
    await context.call.succeeded();
  } catch (error) {
    const cause = error instanceof UeeError ? undefined : error;
    throw (
      endedBy(context) ??
      (await failing(await toError(toVerdict(error, "body"), { ...where, cause }, context), context))
    );
  } finally {
    scope.end();
    // The reader stopped early, or the call was cancelled.
    await context.call.abandoned();
  }
}

async function* emptyBody(): AsyncGenerator<Buffer> {}

function toVerdict(error: unknown, phase: Phase): Verdict {
  if (!(error instanceof UeeError)) return judgeFailure(error, phase);
  const { code, detail, retryAfterMs, data } = error;
  const wait = code === "PROV_TIMEOUT" ? ({ kind: "overload", atLeastMs: 0 } as const) : undefined;
  return { code, detail, retryAfterMs, data, wait };
}

interface Where {
  hop: Hop;
  slot?: Slot;
  answer?: Exchange;
  /** The answer's body is still unread; its first bytes are needed. */
  readMore?: boolean;
  cause?: unknown;
}

/** Makes the fleet wait as the classification requires, and returns an error that says so. */
async function toError(verdict: Verdict, where: Where, context: OpenContext): Promise<UeeError> {
  const { hop, slot, answer } = where;
  let { retryAfterMs } = verdict;
  // This comes first: until Redis knows, other processes continue to send.
  if (verdict.wait && slot) {
    retryAfterMs =
      verdict.wait.kind === "told"
        ? await context.limit.block(verdict.wait.ms, verdict.wait.code)
        : await context.limit.overloaded(slot, verdict.wait.atLeastMs);
  }
  const url = redactUrl(hop.url);
  const status = answer?.status;
  const data: Record<string, unknown> = { url, ...verdict.data };
  if (status !== undefined) data.status = status;
  // Overloaded, but the upstream named the time.
  if (verdict.wait?.kind === "overload" && verdict.wait.atLeastMs > 0) data.toldToWait = true;
  const scrub = makeScrubber(hop.secrets);
  if (answer && where.readMore) data.body = scrub(await readSnippet(answer));
  if (verdict.wait) {
    // @safeguard no-secret-logged
    const facts = { upstream: context.name, code: verdict.code, status, url, waitMs: retryAfterMs };
    context.logger.warn({ event: "upstream_wait", ...facts }, "the upstream makes the fleet wait");
  }
  // A UeeError as cause repeats the classification; an invalid address would show its contents.
  const cause =
    where.cause instanceof UeeError || verdict.code === "PROV_BAD_REQUEST" ? undefined : where.cause;
  return new UeeError(verdict.code, scrub(verdict.detail), { cause, retryAfterMs, data });
}
