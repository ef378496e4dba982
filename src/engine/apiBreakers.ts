/** Circuit breakers as CLI, dashboard and scripts see them (docs/breakers.md). */
import type { BreakerTransition, BreakerView } from "../breakers/report.ts";
import type { PersonRequest } from "./apiPerson.ts";

export type { BreakerCounts, BreakerTransition, BreakerView } from "../breakers/report.ts";

export interface BreakersApi {
  /** Every upstream's breaker, as the whole fleet has it. */
  breakers(): Promise<BreakerView[]>;
  /** Newest first; of one upstream, or of all. */
  breakerTransitions(options: { upstream?: string; limit: number }): Promise<BreakerTransition[]>;
  /** Closes an upstream's breaker; `changed` is false when it was closed already. */
  resetBreaker(upstream: string, by?: PersonRequest): Promise<{ changed: boolean; view: BreakerView }>;
  /**
   * Calls the listener for every transition of every breaker, whichever pod made it: each once, in order. Resolves, with what
   * ends it, when nothing that happens from then on is missed.
   */
  onBreakerStateChange(listener: (transition: BreakerTransition) => void): Promise<() => void>;
}
