/** One call under a breaker: told to the local circuit and to the fleet when it ends, once. */
import { UeeError } from "../core/errors.ts";
import type { GuardedCall } from "../upstream/guard.ts";
import type { BreakerStore, CallReport } from "./breakerStore.ts";
import type { Circuit } from "./circuit.ts";
import { weigh } from "./judge.ts";
import type { BreakerPolicy } from "./policy.ts";
import { holdToken } from "./probeToken.ts";
import type { BreakerReply } from "./report.ts";

/** Between two of the breaker's transitions. */
export interface Phase {
  readonly version: number;
  readonly failedProbes: number;
  readonly circuit: Circuit;
}

/** The breaker, as its calls need it. */
export interface CallOwner {
  readonly upstream: string;
  readonly store: Pick<BreakerStore, "renew">;
  readonly policy: BreakerPolicy;
  readonly leaseMs: number;
  readonly probeLimitMs: number;
  /** The phase that a call which waited for its turn now belongs to. @throws PROV_CIRCUIT_OPEN */
  confirm(begunIn: Phase): Promise<Phase>;
  /** Undefined when Redis is away: then only this process knows. Never rejects. */
  report(
    phase: Phase,
    report: Pick<CallReport, "token" | "outcome" | "code" | "message" | "reason">,
  ): Promise<BreakerReply | undefined>;
  inBackground(work: Promise<unknown>): void;
}

/** The call is the fleet's probe. */
export interface ProbeGrant {
  token: string;
  /** performance.now() from before it was asked for. */
  askedAt: number;
  /** Of whoever makes the call. */
  signal: AbortSignal;
}

export interface EndingCall extends GuardedCall {
  /** Resolves when what came of it has been told. */
  readonly ended: Promise<void>;
}

/** Longer texts of upstreams and proxies are cut. */
const mostText = 300;

/** Undefined when the local circuit does not let it through. */
export function makeGuardedCall(
  breaker: CallOwner,
  begunIn: Phase,
  probe: ProbeGrant | undefined,
): EndingCall | undefined {
  let phase = begunIn;
  let circuitCall = phase.circuit.begin();
  if (!circuitCall) return undefined;
  const abort = new AbortController();
  const token = probe?.token;
  let over = false;
  let markEnded = (): void => {};
  const ended = new Promise<void>((resolve) => {
    markEnded = resolve;
  });

  /** False when it had ended before. */
  const end = (): boolean => {
    if (over) return false;
    over = true;
    held?.drop();
    probe?.signal.removeEventListener("abort", calledOff);
    return true;
  };

  const failed = async (error: UeeError): Promise<UeeError> => {
    if (weigh(error) === "nothing") {
      await abandoned(error);
      return error;
    }
    if (!end()) return error;
    await circuitCall?.failed(error);
    const message = error.detail.slice(0, mostText);
    await breaker.report(phase, {
      ...{ token, outcome: "failure", code: error.code, message },
      reason: `${error.code}: ${message}`,
    });
    markEnded();
    // Also of a probe: it was an attempt at its batch, and an upstream that stays away must not keep a run open for ever.
    return error;
  };

  const abandoned = async (why?: UeeError): Promise<void> => {
    if (!end()) return;
    const reason = why ? `nothing learned: ${why.code}` : "nothing learned: called off";
    const told = breaker.report(phase, { token, outcome: "nothing", reason }).finally(markEnded);
    if (token) await told;
    else breaker.inBackground(told);
  };

  /** The token is gone: somebody else may be probing already, so this call must not go on. */
  const lost = (): void => {
    if (!end()) return;
    markEnded();
    const said = "The token of this probe ran out before its call came to an end.";
    abort.abort(
      new UeeError("PROV_CIRCUIT_OPEN", said, {
        retryAfterMs: breaker.policy.probingMs,
        data: { upstream: breaker.upstream },
      }),
    );
  };

  // Whoever lets go of a call need not have read its answer: the token must not wait for that.
  const calledOff = (): void => void abandoned();
  probe?.signal.addEventListener("abort", calledOff, { once: true });
  const held =
    probe &&
    holdToken({
      askedAt: probe.askedAt,
      leaseMs: breaker.leaseMs,
      renew: () => breaker.store.renew(probe.token, breaker.leaseMs),
      lost,
      limitMs: breaker.probeLimitMs,
      tooLong: () => {
        const error = new UeeError("PROV_TIMEOUT", `The probe had no end after ${breaker.probeLimitMs} ms.`);
        void failed(error).then((told) => abort.abort(told));
      },
    });

  return {
    signal: abort.signal,
    ended,
    async confirm() {
      if (held) {
        if (!(await held.confirm())) lost();
        abort.signal.throwIfAborted();
        return;
      }
      const present = await breaker.confirm(phase);
      if (present === phase) return;
      // It opened and closed again while this call waited: nothing was sent, so it is a call of the new phase.
      phase = present;
      circuitCall = present.circuit.begin();
    },
    async succeeded() {
      if (!end()) return;
      await circuitCall?.succeeded();
      const told = breaker.report(phase, { token, outcome: "success" }).finally(markEnded);
      if (token) await told;
      else breaker.inBackground(told);
    },
    failed,
    abandoned: () => abandoned(),
  };
}
