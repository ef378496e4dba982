/** The kernel history as lines to draw. Pure functions. */
import type { KernelSample } from "../state/fleet.ts";

export interface Point {
  at: number;
  value: number;
}

/** Continuous stretches: while samples are missing no worker was live, and no line is drawn. */
export function stretches(
  samples: readonly KernelSample[],
  pick: (sample: KernelSample) => number,
  { from, to, gapMs, most }: { from: number; to: number; gapMs: number; most: number },
): Point[][] {
  const points = samples
    .map((sample) => ({ at: Date.parse(sample.at), value: pick(sample) }))
    .filter(({ at }) => at >= from && at <= to);
  const found: Point[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const point of thinned(points, most)) {
    if (point.at - last > Math.max(gapMs, ((to - from) / most) * 2.5)) found.push([]);
    found.at(-1)?.push(point);
    last = point.at;
  }
  return found;
}

/** Limits the number of points and keeps the maximum of each group, so that peaks stay visible. */
function thinned(points: Point[], most: number): Point[] {
  if (points.length <= most) return points;
  const size = Math.ceil(points.length / most);
  const kept: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    kept.push(points.slice(i, i + size).reduce((a, b) => (b.value > a.value ? b : a)));
  }
  return kept;
}

/** The upper end of an axis: the next of 1, 2, 5 × 10ⁿ above the values, and never below `least`. */
export function niceTop(greatest: number, least: number): number {
  const wanted = Math.max(greatest * 1.05, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 2, 3, 5, 10].find((step) => step * power >= wanted) ?? 10) * power;
}

/** The sample closest to a time; undefined if none is close. */
export function nearest(
  samples: readonly KernelSample[],
  at: number,
  withinMs: number,
): KernelSample | undefined {
  let best: KernelSample | undefined;
  let bestAway = withinMs;
  for (const sample of samples) {
    const away = Math.abs(Date.parse(sample.at) - at);
    if (away <= bestAway) {
      best = sample;
      bestAway = away;
    }
  }
  return best;
}
