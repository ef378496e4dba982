/**
 * What the fleet did over hours and weeks, for plots: points of bounded lists, one a minute for six hours and one a
 * quarter of an hour for eight weeks, of every provider and of Redis. Whichever worker comes first stores them. A point
 * holds counters as they stand, so rates are differences between points, and no two workers count the same thing twice.
 */
import type { Redis } from "ioredis";
import type { Logger } from "../core/logger.ts";
import type { RedisConnections } from "../redis/connect.ts";
import { serverFacts } from "../redis/info.ts";
import type { Keys, SeriesKeys } from "../redis/keys.ts";
import { Rounds } from "../redis/rounds.ts";
import { loadScripts } from "../redis/scripts.ts";
import { redisMs } from "../redis/time.ts";
import { takeTurn } from "../redis/turn.ts";
import type { Runs } from "../runs/runs.ts";
import { runTotals } from "../runs/totals.ts";

const scripts = loadScripts(import.meta.url, ["keepPoint-2"]);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Each keeps a few points more than the longest range needs: the first value is a difference to a point before it. */
const resolutions = {
  fine: { bucketMs: MINUTE_MS, kept: 365 },
  coarse: { bucketMs: 15 * MINUTE_MS, kept: 5_400 },
} as const;

/** Range → the list that it is read from, its length and the distance of its values. */
export const seriesRanges = {
  "1h": { from: "fine", lengthMs: HOUR_MS, stepMs: MINUTE_MS },
  "6h": { from: "fine", lengthMs: 6 * HOUR_MS, stepMs: MINUTE_MS },
  "24h": { from: "coarse", lengthMs: DAY_MS, stepMs: 15 * MINUTE_MS },
  "7d": { from: "coarse", lengthMs: 7 * DAY_MS, stepMs: 15 * MINUTE_MS },
  "8w": { from: "coarse", lengthMs: 56 * DAY_MS, stepMs: 2 * HOUR_MS },
} as const;
export type SeriesRange = keyof typeof seriesRanges;

/** Name → the position of its figure in a point; that of Redis has one figure. */
const figures = { throughput: 0, requests: 1, errors: 2, redis_memory: 0 } as const;
export const seriesNames = Object.keys(figures) as SeriesName[];
export type SeriesName = keyof typeof figures;

/** One figure over time; all lines have the same times. */
export interface Series {
  name: SeriesName;
  range: SeriesRange;
  /** `per_second`: the average over a step. `bytes`: the greatest of the points in a step. */
  unit: "per_second" | "bytes";
  /** ISO: value `i` covers `stepMs` from `from` + `i` × `stepMs`; the last step is not over. */
  from: string;
  stepMs: number;
  /** One a provider; one with provider null for Redis. A value is null where no worker lived. */
  lines: { provider: string | null; values: (number | null)[] }[];
}

/** A few points a minute, so that one that Redis did not accept leaves no gap. */
const EVERY_MS = 20_000;

export interface SeriesRecorderOptions {
  redis: Redis;
  connections: RedisConnections;
  keys: Keys;
  runs: ReadonlyMap<string, Runs>;
  actor: string;
  logger: Logger;
}

export class SeriesRecorder {
  readonly #o: SeriesRecorderOptions;
  readonly #rounds: Rounds;

  constructor(options: SeriesRecorderOptions) {
    this.#o = options;
    const { redis, keys, actor, logger } = options;
    const work = async () => {
      if (await takeTurn(redis, keys.seriesTurn, actor, EVERY_MS * 0.9)) await this.runOnce();
    };
    this.#rounds = new Rounds({ everyMs: EVERY_MS, work, failed: "series_failed", logger });
  }

  start(): void {
    this.#rounds.start();
    this.#rounds.now();
  }

  /** What was done since the last point belongs to this worker's time too. */
  async stop(): Promise<void> {
    await this.#rounds.stop();
    await this.runOnce().catch(() => undefined);
  }

  async runOnce(): Promise<void> {
    const { redis, connections, keys, runs } = this.#o;
    const [errors, { usedMemory }] = await Promise.all([
      redis.hgetall(keys.fleetCounts),
      serverFacts(connections),
    ]);
    await Promise.all([
      keepPoint(redis, keys.series, [usedMemory]),
      ...[...runs].map(async ([provider, { keys: own }]) => {
        const connection = connections.of(own.tag);
        const { processed, requests } = await runTotals(connection, runs.get(provider)!);
        await keepPoint(connection, own.series, [
          processed,
          requests,
          Number(errors[`errors:${provider}`] ?? 0),
        ]);
      }),
    ]);
  }
}

async function keepPoint(redis: Redis, keys: SeriesKeys, values: readonly number[]): Promise<void> {
  const { fine, coarse } = resolutions;
  const settings = [fine.bucketMs, fine.kept, coarse.bucketMs, coarse.kept];
  await scripts.keepPoint.run(redis, [keys.fine, keys.coarse], [values.join(" "), ...settings]);
}

export async function readSeries(
  { redis, connections, keys, runs }: Omit<SeriesRecorderOptions, "actor" | "logger">,
  { name, range }: { name: SeriesName; range: SeriesRange },
): Promise<Series> {
  const { from, lengthMs, stepMs } = seriesRanges[range];
  const nowMs = await redisMs(redis);
  const fromMs = (Math.floor(nowMs / stepMs) + 1) * stepMs - lengthMs;
  const grid = { fromMs, stepMs, steps: lengthMs / stepMs, bucketMs: resolutions[from].bucketMs };
  // One more than the steps need: a rate is a difference.
  const most = lengthMs / grid.bucketMs + 1;
  const pointsOf = async (connection: Redis, own: SeriesKeys): Promise<Point[]> =>
    (await connection.lrange(own[from], -most, -1)).map((text) => {
      const [at = 0, ...values] = text.split(" ").map(Number);
      return { at, value: values[figures[name]] ?? 0 };
    });
  const shown = { name, range, from: new Date(fromMs).toISOString(), stepMs };
  if (name === "redis_memory") {
    const values = greatest(await pointsOf(redis, keys.series), grid);
    return { ...shown, unit: "bytes", lines: [{ provider: null, values }] };
  }
  const lines = [...runs].map(async ([provider, { keys: own }]) => ({
    provider,
    values: rates(await pointsOf(connections.of(own.tag), own.series), grid),
  }));
  return { ...shown, unit: "per_second", lines: await Promise.all(lines) };
}

interface Point {
  at: number;
  value: number;
}

interface Grid {
  fromMs: number;
  stepMs: number;
  steps: number;
  /** Distance of the points. */
  bucketMs: number;
}

const stepOf = ({ at }: Point, { fromMs, stepMs }: Grid): number => Math.floor((at - fromMs) / stepMs);

function greatest(points: readonly Point[], grid: Grid): (number | null)[] {
  const values = new Array<number | null>(grid.steps).fill(null);
  for (const point of points) {
    const step = stepOf(point, grid);
    if (step >= 0 && step < grid.steps) values[step] = Math.max(values[step] ?? 0, point.value);
  }
  return values;
}

/** How fast a counter grew in each step, per second: from the last point before the step to the last one in it. */
function rates(points: readonly Point[], grid: Grid): (number | null)[] {
  const values = new Array<number | null>(grid.steps).fill(null);
  const last = new Map<number, { point: Point; before: Point | undefined }>();
  points.forEach((point, i) => {
    const step = stepOf(point, grid);
    const first = last.get(step)?.before;
    const before = points[i - 1];
    // The first point of all is compared with nothing, and the second one with it, even in the same step.
    last.set(step, { point, before: first ?? before });
  });
  for (const [step, { point, before }] of last) {
    if (step < 0 || step >= grid.steps || before === undefined) continue;
    const elapsed = point.at - before.at;
    // No worker lived before this step, so nothing was counted then: all of it happened in this step.
    const overMs = elapsed <= grid.stepMs + 1.5 * grid.bucketMs ? elapsed : grid.stepMs;
    // A counter that fell: Redis lost its last second, or its store is another one.
    values[step] = (Math.max(0, point.value - before.value) * 1_000) / Math.max(1_000, overMs);
  }
  return values;
}
