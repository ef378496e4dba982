/** One call under a breaker. Its result is reported once to the local circuit and to the fleet. */
import { UeeError } from "../core/errors.ts";
import type { GuardedCall } from "../upstream/guard.ts";
import type { BreakerStore, CallReport } from "./breakerStore.ts";
import type { Circuit } from "./circuit.ts";
import { type BreakerPolicy, classify } from "./policy.ts";
import { holdToken } from "./probeToken.ts";
import type { BreakerReply } from "./report.ts";

/** A period between two transitions of the breaker. */
export interface Phase {
  readonly version: number;
  readonly failedProbes: number;
  readonly circuit: Circuit;
}

/** The interface of the breaker that its calls use. */
export interface CallOwner {
  readonly upstream: string;
  readonly store: Pick<BreakerStore, "renew">;
  readonly policy: BreakerPolicy;
  readonly leaseMs: number;
  readonly probeLimitMs: number;
  /** Returns the phase that a call belongs to after it waited for its turn. @throws PROV_CIRCUIT_OPEN */
  confirm(begunIn: Phase): Promise<Phase>;
  /** Undefined when Redis is unreachable: then only this process records the result. Never rejects. */
  report(
    phase: Phase,
    report: Pick<CallReport, "token" | "outcome" | "code" | "message" | "reason">,
  ): Promise<BreakerReply | undefined>;
  inBackground(work: Promise<unknown>): void;
}

/** This call is the fleet's probe. */
export interface ProbeGrant {
  token: string;
  /** performance.now() from before the token was requested. */
  askedAt: number;
  /** Signal of the caller. */
  signal: AbortSignal;
}

/** Longer texts of upstreams and proxies are truncated. */
const mostText = 300;

/** Undefined when the local circuit rejects the call. `ended` resolves when the result has been reported. */
export function makeGuardedCall(
  breaker: CallOwner,
  begunIn: Phase,
  probe: ProbeGrant | undefined,
): (GuardedCall & { readonly ended: Promise<void> }) | undefined {
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

  /** False when the call had already ended. */
  const end = (): boolean => {
    if (over) return false;
    over = true;
    held?.drop();
    probe?.signal.removeEventListener("abort", calledOff);
    return true;
  };

  const failed = async (error: UeeError): Promise<UeeError> => {
    if (classify(error) === "nothing") {
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
    // A probe counts too: it was an attempt of its batch, and an unreachable upstream must not keep a run open for
    // ever.
    return error;
  };

  const abandoned = async (why?: UeeError): Promise<void> => {
    if (!end()) return;
    const reason = why ? `nothing learned: ${why.code}` : "nothing learned: called off";
    const told = breaker.report(phase, { token, outcome: "nothing", reason }).finally(markEnded);
    if (token) await told;
    else breaker.inBackground(told);
  };

  /** The token is lost: another process may be probing already, so this call must stop. */
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

  // A caller that abandons a call may leave its answer unread; the token must not wait for that.
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
      // The breaker opened and closed while this call waited. Nothing was sent, so the call belongs to the new phase.
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
