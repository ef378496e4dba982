import type { FaultName, Upstream } from "../../src/simulator/index.ts";

/** More than a test makes: its client backs off between requests. */
const MANY = 2_000;

/**
 * A fault that every request from the nth on meets until the faults are set again. A run that needs more requests than those
 * before cannot end meanwhile, however slow the test is.
 */
export function fromRequest(nth: number, fault: FaultName, upstream: Upstream): string {
  const numbers = Array.from({ length: MANY }, (_, i) => i + nth);
  return `${fault}#${numbers.join(",")}:${upstream}`;
}
