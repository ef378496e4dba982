/**
 * One opossum circuit for each phase of a breaker: closed, open, or half open with its single call. Verified with
 * opossum 9.0.0; each line names a behaviour and how this file avoids it:
 *
 * - It opens by the percentage of failures in a rolling window, after one failure by default. `volumeThreshold`
 *   disables this; the breaker counts consecutive failures and opens the circuit itself.
 * - A result that `errorFilter` accepts counts as a success and closes a half-open circuit. Results that say nothing
 *   about the upstream's health are never reported: their promise stays pending.
 * - `capacity` counts its own rejections as failures. It is not used.
 * - `timeout` frees the slot while the call continues, and one `abortController` ends all calls for good. Neither is
 *   used; every call has its own time-outs and signal.
 * - A success that began before the circuit opened closes it while half open. A circuit therefore serves one phase;
 *   calls of an earlier phase settle on a circuit that is no longer in use.
 * - Without a time-out, a probe that never settles leaves the circuit half open for ever. The probe token has a lease
 *   and an upper bound.
 * - `cache` and `coalesce` treat calls with equal arguments as the same call. They are not used.
 */
import CircuitBreaker from "opossum";
import type { UeeError } from "../core/errors.ts";
import type { BreakerState } from "../machines/breakerMachine.ts";

export type Circuit = ReturnType<typeof makeCircuit>;

/** The types of opossum lack `state`, with which a circuit continues from another circuit's state. */
interface Options extends CircuitBreaker.Options {
  state?: { closed: boolean; halfOpen: boolean };
}

const longestTimerMs = 2 ** 31 - 1;

/** `halfOpensAfterMs`: when an open circuit lets one call through by itself; used while Redis cannot decide. */
export function makeCircuit(name: string, phase: BreakerState, halfOpensAfterMs: number) {
  const options: Options = {
    name,
    timeout: false,
    volumeThreshold: Number.MAX_SAFE_INTEGER,
    resetTimeout: Math.min(Math.max(1, halfOpensAfterMs), longestTimerMs),
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    state: { closed: phase === "closed", halfOpen: phase === "half_open" },
  };
  const circuit = new CircuitBreaker<[() => Promise<void>], void>((run) => run(), options);
  let failures = 0;
  circuit.on("success", () => {
    failures = 0;
  });
  circuit.on("failure", () => {
    failures++;
  });

  return {
    get state(): BreakerState {
      return circuit.closed ? "closed" : circuit.halfOpen ? "half_open" : "open";
    },
    /** Consecutive failed calls of this process. */
    get failures(): number {
      return failures;
    },
    /**
     * Undefined when the circuit rejects the call. Its result is reported with one of the two functions, which resolve
     * when opossum has processed it.
     */
    begin() {
      let begun: { resolve: () => void; reject: (error: UeeError) => void } | undefined;
      // opossum calls this synchronously or not at all.
      const call = () =>
        new Promise<void>((resolve, reject) => {
          begun = { resolve, reject };
        });
      const recorded = circuit.fire(call).catch(() => undefined);
      const report = begun as { resolve: () => void; reject: (error: UeeError) => void } | undefined;
      if (!report) return undefined;
      return {
        succeeded: (): Promise<void> => {
          report.resolve();
          return recorded;
        },
        failed: (error: UeeError): Promise<void> => {
          report.reject(error);
          return recorded;
        },
      };
    },
    /** The circuit is no longer in use. */
    retire: (): void => circuit.shutdown(),
  };
}
