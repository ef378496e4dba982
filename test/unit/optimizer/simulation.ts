/** The optimizer's decision driven by a signal, check by check, with a clock that only the test moves. */
import {
  blankMemory,
  type Decision,
  decide,
  type OptimizerSettings,
  optimizerDefaults,
} from "../../../src/permits/optimizer/decide.ts";

export const settings = optimizerDefaults;

/** What a check sees: the load, which may depend on how much is allocated. */
export interface Signal {
  p99Ms?: number;
  freshP99Ms?: number | null;
  saturation?: number;
}

export interface Check {
  at: number;
  decision: Decision;
  effectiveBefore: number;
  effectiveAfter: number;
  allocated: number;
}

export interface Simulated {
  checks: Check[];
  revocations: Check[];
  returns: Check[];
}

export const calm: Signal = { p99Ms: 2, saturation: 0.1 };
export const slow: Signal = { p99Ms: 90, saturation: 0.1 };
export const full: Signal = { p99Ms: 2, saturation: 0.95 };

export function simulate(
  count: number,
  signal: (check: number, pool: { effective: number; size: number }) => Signal,
  options: {
    size?: number;
    held?: number;
    settings?: OptimizerSettings;
    drift?: (check: number) => number;
  } = {},
): Simulated {
  const size = options.size ?? 10;
  const used = options.settings ?? settings;
  let memory = blankMemory;
  let effective = size;
  let at = 1_000_000;
  const checks: Check[] = [];
  for (let i = 0; i < count; i++) {
    at += used.intervalMs + (options.drift?.(i) ?? 0);
    const seen = signal(i, { effective, size });
    const p99Ms = seen.p99Ms ?? 1;
    // A busy fleet uses all that it may.
    const allocated = Math.min(options.held ?? size, effective);
    const checked = decide(
      memory,
      {
        nowMs: at,
        p99Ms,
        freshP99Ms: seen.freshP99Ms === undefined ? p99Ms : seen.freshP99Ms,
        saturation: seen.saturation ?? 0,
        pool: { size, effective, allocated },
      },
      used,
    );
    if (checked === undefined) throw new Error("a check that is due was refused as too early");
    memory = checked.memory;
    const { decision } = checked;
    const effectiveBefore = effective;
    // As the pool does it: of what is held, and never below one.
    if (decision.kind === "revoke")
      effective = Math.max(1, Math.min(effective, allocated) - decision.permits);
    if (decision.kind === "restore") effective = Math.min(size, effective + decision.permits);
    checks.push({ at, decision, effectiveBefore, effectiveAfter: effective, allocated });
  }
  return {
    checks,
    revocations: checks.filter(({ decision }) => decision.kind === "revoke"),
    returns: checks.filter(({ decision }) => decision.kind === "restore"),
  };
}

/** What of the promises of docs/optimizer.md does not hold; empty when all do. */
export function broken({ checks, revocations }: Simulated, size: number): string[] {
  const found: string[] = [];
  for (const [i, { at }] of revocations.entries()) {
    const before = revocations[i - 1];
    if (before && at - before.at < settings.coolDownMs)
      found.push(`two revocations within ${at - before.at} ms`);
  }
  for (const [i, check] of checks.entries()) {
    const { decision, effectiveBefore, effectiveAfter, allocated, at } = check;
    const lastRevoked = revocations.filter((one) => one.at < at).at(-1);
    if (effectiveAfter < 1 || effectiveAfter > size)
      found.push(`#${i}: ${effectiveAfter} of ${size} permits`);
    if (decision.kind === "revoke") {
      if (decision.healthy || checks[i - 1]?.decision.healthy !== false)
        found.push(`#${i}: revoked without two breaches in a row`);
      if (decision.permits !== Math.max(1, Math.floor(allocated * 0.2)))
        found.push(`#${i}: ${decision.permits} of ${allocated} revoked`);
    } else if (decision.kind === "restore") {
      if (!decision.healthy) found.push(`#${i}: given back in a breach`);
      if (lastRevoked && at - lastRevoked.at < settings.coolDownMs)
        found.push(`#${i}: given back in the cool-down`);
      if (effectiveAfter <= effectiveBefore) found.push(`#${i}: nothing given back`);
    } else if (effectiveAfter !== effectiveBefore) found.push(`#${i}: changed by holding`);
  }
  return found;
}
