/** Values over time as lines to draw. Pure functions. */

export interface Point {
  /** ms since the epoch. */
  at: number;
  value: number;
}

/** Continuous stretches: while points are missing no worker was live, and no line is drawn. */
export function stretches(
  points: readonly Point[],
  { from, to, gapMs, most }: { from: number; to: number; gapMs: number; most: number },
): Point[][] {
  const shown = points.filter(({ at }) => at >= from && at <= to);
  const found: Point[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const point of thinned(shown, most)) {
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

/** The upper end of an axis: the next of 1, 2, 3, 4, 6, 8 × 10ⁿ units above the values, and never below `least`. */
export function niceTop(greatest: number, least: number, unit = 1): number {
  const wanted = Math.max(greatest * 1.05, least) / unit;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 2, 3, 4, 6, 8, 10].find((step) => step * power >= wanted) ?? 10) * power * unit;
}

/** The point closest to a time; undefined if none is close. */
export function nearest(points: readonly Point[], at: number, withinMs: number): Point | undefined {
  let best: Point | undefined;
  let bestAway = withinMs;
  for (const point of points) {
    const away = Math.abs(point.at - at);
    if (away <= bestAway) {
      best = point;
      bestAway = away;
    }
  }
  return best;
}

interface Lines {
  from: string;
  stepMs: number;
  lines: readonly { values: readonly (number | null)[] }[];
}

/** All lines together; a time at which none has a value is left out. */
export function summed({ from, stepMs, lines }: Lines): Point[] {
  const start = Date.parse(from);
  const length = Math.max(0, ...lines.map(({ values }) => values.length));
  const points: Point[] = [];
  for (let i = 0; i < length; i++) {
    const values = lines.map((line) => line.values[i] ?? null).filter((value) => value !== null);
    if (values.length > 0)
      points.push({ at: start + i * stepMs, value: values.reduce((sum, value) => sum + value, 0) });
  }
  return points;
}
