/**
 * Decides whether the fleet must reduce or may increase its work: a pure function of the metrics, the memory and the
 * time, so that every decision can be reproduced. docs/optimizer.md has the rules and their figures.
 */
export interface OptimizerSettings {
  /** Interval between two checks, ms. */
  intervalMs: number;
  /** A latency above this is a breach, ms. */
  p99LimitMs: number;
  /** A saturation above this is a breach; 1 = full. */
  saturationLimit: number;
  /** Consecutive breaches before a revocation. */
  breachesToRevoke: number;
  /** Share of the allocated permits, at least one permit. */
  revokeShare: number;
  /** Time after a revocation without another one or a return, ms. */
  coolDownMs: number;
  /** Share of the configured size, at least one permit, that every healthy check returns. */
  giveBackShare: number;
}

export const optimizerDefaults: OptimizerSettings = {
  intervalMs: 5_000,
  p99LimitMs: 30,
  saturationLimit: 0.8,
  breachesToRevoke: 2,
  revokeShare: 0.2,
  coolDownMs: 30_000,
  giveBackShare: 0.1,
};

export interface OptimizerMemory {
  /** Consecutive breaches up to the last check. */
  breaches: number;
  /** End of the cool-down, ms by Redis TIME. */
  coolUntilMs: number;
  /** Time of the last check, ms by Redis TIME; 0 before the first. */
  checkedAtMs: number;
}

export const blankMemory: OptimizerMemory = { breaches: 0, coolUntilMs: 0, checkedAtMs: 0 };

export interface Sight {
  /** Redis TIME, ms. */
  nowMs: number;
  /** Over the control operations of the last five minutes, at most the last 1,000. */
  p99Ms: number;
  /** Over the operations since the last check; null when there are none. */
  freshP99Ms: number | null;
  saturation: number;
  pool: { size: number; effective: number; allocated: number };
}

export interface Decision {
  kind: "revoke" | "restore" | "hold";
  /** Permits; 0 for hold. */
  permits: number;
  reason: string;
  healthy: boolean;
}

/** Undefined when the last check is too recent: two looks at one moment are one check. */
export function decide(
  memory: OptimizerMemory,
  sight: Sight,
  settings: OptimizerSettings,
): { memory: OptimizerMemory; decision: Decision } | undefined {
  const since = sight.nowMs - memory.checkedAtMs;
  // Every pod looks at this interval. The first one after four fifths of it decides for all.
  if (since >= 0 && since < settings.intervalMs * 0.8) return undefined;
  // No check happened for a while, or the clock of a new Redis is behind: earlier breaches are not consecutive with
  // this one.
  const inARow = since >= 0 && since <= settings.intervalMs * 3;
  const coolUntilMs = Math.min(memory.coolUntilMs, sight.nowMs + settings.coolDownMs);
  const breach = breachOf(sight, settings);
  const next: OptimizerMemory = {
    breaches: breach === undefined ? 0 : (inARow ? memory.breaches : 0) + 1,
    coolUntilMs,
    checkedAtMs: sight.nowMs,
  };
  const decision = decideOn(breach, next, sight, settings);
  if (decision.kind === "revoke") {
    next.breaches = 0;
    next.coolUntilMs = sight.nowMs + settings.coolDownMs;
  }
  return { memory: next, decision };
}

/**
 * Why this check is a breach. Latency must exceed the limit over the last minutes and over the operations since the
 * last check: in an idle fleet one slow moment stays among the recent samples for many checks, and is still one
 * moment.
 */
function breachOf({ p99Ms, freshP99Ms, saturation }: Sight, settings: OptimizerSettings): string | undefined {
  const said: string[] = [];
  if (p99Ms > settings.p99LimitMs && freshP99Ms !== null && freshP99Ms > settings.p99LimitMs)
    said.push(`p99 ${p99Ms.toFixed(1)} ms > ${settings.p99LimitMs} ms`);
  if (saturation > settings.saturationLimit)
    said.push(`buffers ${percent(saturation)} full > ${percent(settings.saturationLimit)}`);
  return said.length > 0 ? said.join(" and ") : undefined;
}

function decideOn(
  breach: string | undefined,
  { breaches, coolUntilMs }: OptimizerMemory,
  { nowMs, pool }: Sight,
  settings: OptimizerSettings,
): Decision {
  const healthy = breach === undefined;
  const hold = (reason: string): Decision => ({ kind: "hold", permits: 0, reason, healthy });
  const cooling = nowMs < coolUntilMs;
  const left = cooling ? `cool-down for another ${Math.ceil((coolUntilMs - nowMs) / 1000)} s` : "";
  if (breach !== undefined) {
    const seen = `${breach}, ${breaches} in a row`;
    if (breaches < settings.breachesToRevoke) return hold(`${seen}: not yet enough`);
    if (cooling) return hold(`${seen}: ${left}`);
    // Permits beyond the effective size have already been asked back.
    const held = Math.min(pool.allocated, pool.effective);
    if (held <= 1) return hold(`${seen}: ${held} permits held, and one always stays`);
    const permits = Math.max(1, Math.floor(held * settings.revokeShare + TINY));
    return { kind: "revoke", permits, reason: `${seen}: ${permits} of ${held} revoked`, healthy };
  }
  const missing = pool.size - pool.effective;
  if (missing <= 0) return hold("healthy, full size");
  if (cooling) return hold(`healthy, ${left}`);
  const permits = Math.min(missing, giveBackStep(pool.size, settings));
  return {
    kind: "restore",
    permits,
    reason: `healthy: ${permits} of ${missing} missing given back`,
    healthy,
  };
}

/** Permits returned by one healthy check. */
export const giveBackStep = (size: number, settings: OptimizerSettings): number =>
  Math.max(1, Math.ceil(size * settings.giveBackShare - TINY));

/** 70 * 0.1 is slightly more than 7 and must not be rounded up to 8. */
const TINY = 1e-9;

const percent = (share: number): string => `${Math.round(share * 100)} %`;
