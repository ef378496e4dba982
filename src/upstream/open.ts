/**
 * One fetch, from the fleet's permission to the judged answer. The guard (the circuit breaker) lets the call in; a request
 * then goes: connection first, then a slot, the guard's word once more, the count, then at once the wire. A slot that got too old on the way, or that the upstream's own word has overtaken, is asked
 * for anew; nothing is written under it.
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
  /** The answer in which the request's address was found, as it was asked for. */
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
  /** Decoded and checked; empty on 304. To be read to its end or returned from. */
  body: AsyncIterable<Buffer>;
}

/** So often a slot may turn out too old before this process counts as unable to send in time. */
const maxRounds = 10;
/** For so many rounds only a just granted slot will do. */
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

/** Within a call that the guard let in. */
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

/** The reason of a signal from outside that ended the call: rethrown as it is, whatever broke because of it. */
function endedBy({ signal, closing, call }: OpenContext & { call?: GuardedCall }): unknown {
  if (signal.aborted) return signal.reason;
  if (closing.aborted) return closing.reason;
  return call?.signal.aborted ? call.signal.reason : undefined;
}

/** What the upstream did to the call is the guard's to know, unless the call broke because it was called off. */
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
      // It may have waited long for its slot: the circuit may have opened, the probe's token may be another's.
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
    // Its reader left early, or it was called off.
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
  /** The answer's body is still to be read, for its first bytes. */
  readMore?: boolean;
  cause?: unknown;
}

/** Makes the fleet wait as the verdict says, and an error that says so. */
async function toError(verdict: Verdict, where: Where, context: OpenContext): Promise<UeeError> {
  const { hop, slot, answer } = where;
  let { retryAfterMs } = verdict;
  // First of all: until Redis knows, other processes go on.
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
  // Overloaded, but it named the time.
  if (verdict.wait?.kind === "overload" && verdict.wait.atLeastMs > 0) data.toldToWait = true;
  const scrub = makeScrubber(hop.secrets);
  if (answer && where.readMore) data.body = scrub(await readSnippet(answer));
  if (verdict.wait) {
    // @safeguard no-secret-logged
    const facts = { upstream: context.name, code: verdict.code, status, url, waitMs: retryAfterMs };
    context.logger.warn({ event: "upstream_wait", ...facts }, "the upstream makes the fleet wait");
  }
  // A cause that is one of ours says nothing that the verdict does not; an invalid address would show what is in it.
  const cause =
    where.cause instanceof UeeError || verdict.code === "PROV_BAD_REQUEST" ? undefined : where.cause;
  return new UeeError(verdict.code, scrub(verdict.detail), { cause, retryAfterMs, data });
}
