/**
 * Verifies law 4 from the permit pool's log alone, after the fact: what was held at every moment, by every grant, release,
 * expiry and change of size, whatever the pool itself counted.
 */
export interface PermitEvent {
  event: string;
  /** µs by Redis TIME, as all times here. */
  at: number;
  lease: string;
  provider: string;
  weight: number;
  /** As the pool counted. */
  used: number;
  size: number;
  fields: Map<string, string>;
}

export interface PermitVerdict {
  violations: string[];
  grants: number;
  /** Leases that ended because they were not renewed in time, or because they kept what was asked back. */
  lapsed: number;
  /** The most that were held at one moment. */
  mostHeld: number;
  /** The longest that more were held than the size of that moment, µs. */
  longestOver: number;
}

/**
 * Entries as XRANGE gives them: field `e` is `event t provider weight used size extras lease` (src/permits/lua/pool.lua).
 * Times after an `aged` entry (tests age a pool, see age-1.lua) count on from it.
 */
export function readPermitLog(entries: [string, string[]][]): PermitEvent[] {
  const events: PermitEvent[] = [];
  const providers = new Map<string, string>();
  let aged = 0;
  for (const [, flat] of entries) {
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i]!, flat[i + 1]!);
    const [event, at, provider, weight, used, size, extras, ...lease] = (fields.get("e") ?? "").split(" ");
    for (const extra of extras === "-" ? [] : (extras ?? "").split(",")) {
      const [name, value] = extra.split("=") as [string, string];
      fields.set(name, value);
    }
    if (event === "aged") {
      aged += Number(fields.get("d"));
      continue;
    }
    if (fields.has("d")) fields.set("d", String(Number(fields.get("d")) + aged));
    const read = {
      event: event!,
      at: Number(at) + aged,
      lease: lease.join(" "),
      provider: provider === "-" ? "" : provider!,
      weight: Number(weight),
      used: Number(used),
      size: Number(size),
      fields,
    };
    const old = fields.get("o");
    if (old !== undefined) {
      const before = { used: read.used - read.weight, fields: new Map<string, string>() };
      events.push({ ...read, event: "release", lease: old, provider: providers.get(old) ?? "", ...before });
    }
    if (event === "grant") providers.set(read.lease, read.provider);
    events.push(read);
  }
  return events;
}

const sizes = ["seed", "resize", "revoke", "restore"];
const ends = ["release", "expire", "enforce"];

/** A change of what is held, or of the size, at a moment. */
export interface HeldStep {
  at: number;
  held: number;
  size?: number;
}

/** @param bound µs within which what is held falls to a lowered size: one lease and one grace. */
export function checkPermitLog(events: PermitEvent[], bound: number): PermitVerdict {
  const violations: string[] = [];
  const live = new Map<string, PermitEvent>();
  const steps: HeldStep[] = [];
  let [used, size, fence, grants, lapsed] = [0, 0, 0, 0, 0];
  const wrong = (event: PermitEvent, what: string): void => {
    violations.push(`${event.at} ${event.event} ${event.lease}: ${what}`);
  };

  if (events[0] && events[0].event !== "seed")
    wrong(events[0], "the log does not reach back to its beginning");
  for (const event of events) {
    const held = live.get(event.lease);
    if (event.event === "grant") {
      if (held) wrong(event, "is granted while it is held");
      if (!(event.weight >= 1)) wrong(event, `grants ${event.weight}`);
      const given = Number(event.fields.get("f"));
      if (!(given > fence)) wrong(event, `fence ${given} after ${fence}`);
      fence = Math.max(fence, given);
      live.set(event.lease, event);
      used += event.weight;
      grants++;
      steps.push({ at: event.at, held: event.weight });
      if (used > size) wrong(event, `makes it ${used} of ${size}`);
    } else if (ends.includes(event.event)) {
      if (!held) wrong(event, "was not held");
      else if (held.weight !== event.weight) wrong(event, `${event.weight} of ${held.weight} end`);
      live.delete(event.lease);
      used -= held?.weight ?? 0;
      // A lease counts until it ended, not until its end was noticed.
      const endedAt = Math.min(event.at, Number(event.fields.get("d") ?? event.at));
      steps.push({ at: endedAt, held: -(held?.weight ?? 0) });
      if (event.event !== "release") lapsed++;
    } else if (sizes.includes(event.event)) {
      size = event.size;
      steps.push({ at: event.at, held: 0, size });
    }
    if (event.used !== used) wrong(event, `the pool counts ${event.used}, there are ${used}`);
    if (event.size !== size) wrong(event, `the pool's size is ${event.size}, it was set to ${size}`);
  }
  const { violations: moments, ...figures } = checkHeld(steps, bound);
  return { violations: [...violations, ...moments], grants, lapsed, ...figures };
}

/** What was held over time against the greatest size of the last `bound`, all in one unit of time. */
export function checkHeld(
  steps: HeldStep[],
  bound: number,
): { violations: string[]; mostHeld: number; longestOver: number } {
  const violations: string[] = [];
  // At one moment, what ends comes before what begins.
  const sorted = [...steps].sort((a, b) => a.at - b.at || a.held - b.held);
  const history: { until: number; size: number }[] = [];
  let [held, size, mostHeld, longestOver] = [0, 0, 0, 0];
  let overSince: number | undefined;
  for (const [index, step] of sorted.entries()) {
    if (step.size !== undefined) {
      history.push({ until: step.at, size });
      size = step.size;
    }
    held += step.held;
    const next = sorted[index + 1]?.at ?? step.at;
    if (next > step.at) mostHeld = Math.max(mostHeld, held);
    if (held <= size) {
      if (overSince !== undefined) longestOver = Math.max(longestOver, step.at - overSince);
      overSince = undefined;
      continue;
    }
    overSince ??= step.at;
    // Until just before the next step, this many are held.
    const allowed = Math.max(size, ...history.filter((h) => h.until >= next - bound).map((h) => h.size));
    if (held > allowed && next > step.at) {
      violations.push(`from ${step.at} to ${next} ${held} are held, allowed are ${allowed}`);
    }
  }
  return { violations, mostHeld, longestOver };
}
