/**
 * opossum, one circuit for each phase of a breaker: closed, open, or half open with its one call. What it does wrong where one
 * lets it (tried out with 9.0.0), and what keeps it from that:
 *
 *  - it opens by percentages of a rolling window, at the first failure where nothing is set → never by itself while closed
 *    (`volumeThreshold`); whoever counts failures in a row opens it
 *  - what `errorFilter` passes over counts as a success and closes a half-open circuit → what says nothing of the upstream's
 *    health is never told to it: such a call's promise just does not settle
 *  - `capacity` counts its own rejections as failures → not used
 *  - `timeout` frees the slot while the call runs on, and one `abortController` ends all calls for good → not used; every call
 *    has time-outs and a signal of its own
 *  - a success that began before the circuit opened closes it while half open → a circuit serves one phase only; calls of an
 *    earlier phase settle on a circuit that nobody looks at
 *  - without a time-out a probe that never settles leaves it half open for ever → the probe's token is leased, and bounded
 *  - `cache` and `coalesce` take calls with the same arguments for the same → not used
 */
import CircuitBreaker from "opossum";
import type { UeeError } from "../core/errors.ts";
import type { BreakerState } from "../machines/breakerMachine.ts";

/** What opossum hears of a call. Resolves when it has made up its mind. */
export interface CircuitCall {
  succeeded(): Promise<void>;
  failed(error: UeeError): Promise<void>;
}

export interface Circuit {
  readonly state: BreakerState;
  /** Calls of this process that failed in a row. */
  readonly failures: number;
  /** Undefined when the circuit does not let it through. */
  begin(): CircuitCall | undefined;
  /** Nobody will look at it any more. */
  retire(): void;
}

/** Its types leave out `state`, by which a circuit takes up where another was. */
interface Options extends CircuitBreaker.Options {
  state?: { closed: boolean; halfOpen: boolean };
}

const longestTimerMs = 2 ** 31 - 1;

/** `halfOpensAfterMs`: when an open circuit lets one call through by itself; of use where nobody else can say so. */
export function makeCircuit(name: string, phase: BreakerState, halfOpensAfterMs: number): Circuit {
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
    get state() {
      return circuit.closed ? "closed" : circuit.halfOpen ? "half_open" : "open";
    },
    get failures() {
      return failures;
    },
    begin() {
      let verdict: { resolve: () => void; reject: (error: UeeError) => void } | undefined;
      const call = () =>
        new Promise<void>((resolve, reject) => {
          verdict = { resolve, reject };
        });
      const judged = circuit.fire(call).then(
        () => undefined,
        () => undefined,
      );
      // opossum calls it in this very turn, or not at all.
      const begun = verdict as { resolve: () => void; reject: (error: UeeError) => void } | undefined;
      return (
        begun && {
          succeeded: () => {
            begun.resolve();
            return judged;
          },
          failed: (error) => {
            begun.reject(error);
            return judged;
          },
        }
      );
    },
    retire: () => circuit.shutdown(),
  };
}
