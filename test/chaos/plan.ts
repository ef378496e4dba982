/** What a seed does to a fleet, and when: a pure function of (seed, minutes, mode). */
import { findProvider } from "../../src/providers/registry.ts";
import { Random } from "../../src/simulator/random.ts";
import { type StandIn, type Upstream, upstreamNames } from "../../src/simulator/types.ts";
import type { StepName } from "../../src/workers/context.ts";
import { drawFaults, drawFeedFaults } from "./upstreamFaults.ts";

/**
 * `failover`: a replica takes over; what is acknowledged in the last moments may be lost then, and is treated as lost.
 * `cluster`: three masters of a cluster; one after the other is killed and its replica takes over.
 */
export const modes = ["single", "failover", "cluster"] as const;
export type Mode = (typeof modes)[number];

/** When a signal strikes a worker: at once, or when it next reaches a place in a batch. */
export type When = "now" | { step: StepName; phase: "before" | "after" };

export type Action =
  | { do: "kill"; slot: number; when: When }
  | { do: "sleep"; slot: number; when: When; forMs: number }
  | { do: "term"; slot: number }
  | { do: "redis-kill"; downMs: number }
  /** Killed, and of its append-only file the last so many ms are gone, as after a power cut under `everysec`. */
  | { do: "redis-power-cut"; downMs: number; lostMs: number }
  | { do: "redis-freeze"; forMs: number }
  | { do: "client-kill"; share: number }
  | { do: "script-flush" }
  | { do: "out-of-memory"; forMs: number }
  | { do: "disk-full"; forMs: number }
  /** `of`: in a cluster the master that serves this hash tag, as what follows the prefix (`:cve`). */
  | { do: "failover"; of?: string }
  /** Redis' clock is so far behind (or ahead) for a while, then right again: it steps both ways. */
  | { do: "clock-step"; offsetMs: number; forMs: number }
  | { do: "line-swallow"; slot: number; direction: "up" | "down" | "both"; forMs: number }
  | { do: "line-slow"; slot: number; delayMs: number; forMs: number }
  | { do: "line-refuse"; slot: number; forMs: number }
  | { do: "line-cut"; slot: number }
  | { do: "faults"; faults: string[]; forMs: number }
  | { do: "content"; provider: Upstream; add: number; modify: number; silent: number; remove: number }
  | { do: "point" }
  /**
   * A snapshot's publisher brings out an edition and takes it back: one with bad records, or one that lost too much. stale: a
   * server that lags behind serves the edition before for a while.
   */
  | { do: "take-back"; provider: SnapshotUpstream; how: "bad" | "shrunk" | "stale"; forMs: number }
  | { do: "run"; provider: Upstream; mode: "full" | "incremental"; via: "queue" | "library" }
  | { do: "pause"; provider: Upstream; forMs: number }
  | { do: "stop"; provider: Upstream }
  | { do: "resize"; size: number }
  /** Everything dead of a provider; `twice`: two people press at once. */
  | { do: "replay"; provider: Upstream; twice: boolean }
  | { do: "accept"; provider: Upstream }
  | { do: "purge"; provider: Upstream }
  | { do: "reset-breaker"; provider: Upstream };

export type SnapshotUpstream = Exclude<Upstream, "cve">;

export type PlannedAction = Action & { atMs: number };

export interface Plan {
  seed: number;
  minutes: number;
  mode: Mode;
  workers: number;
  permits: number;
  /** UEE_WAIT_SCALE: every fourth seed waits as long as it is told, the others a tenth of it. */
  waitScale: number;
  content: Record<"cve" | "cwe" | "capec" | "attack", number>;
  rates: Record<StandIn, { max: number; windowMs: number }>;
  actions: PlannedAction[];
}

/** What the fleet calls the upstream for which a stand-in stands. */
export const fleetNameOf = (standIn: StandIn): string => (standIn === "feeds" ? "cve-feeds" : standIn);

/** Whose runs ask the stand-in. */
export const providerOf = (standIn: StandIn | null): Upstream | null =>
  standIn === "feeds" ? "cve" : standIn;

const places: readonly { step: StepName; phase: "before" | "after" }[] = (
  ["fetch", "commit", "checkpoint", "settle", "verify", "remove", "close"] as const
).flatMap((step) => [
  { step, phase: "before" },
  { step, phase: "after" },
]);

/** How much slower than planned a track may go, by its number: Redis is left alone for longer, so that there are runs. */
const usual: readonly number[] = [0.6, 1, 1, 1.8];
const tempers: Readonly<Record<number, readonly number[]>> = {
  1: [1],
  3: [0.9, 1.4, 2.2, 4],
  5: [0.6, 0.8, 1],
};

/** Draws by weight. */
function weighted<T>(random: Random, choices: readonly (readonly [weight: number, T])[]): T {
  let left = random.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, choice] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  return choices.at(-1)![1];
}

export function makePlan(options: { seed: number; minutes: number; mode?: Mode; workers?: number }): Plan {
  const { seed, minutes, mode = "single", workers = 3 } = options;
  const endMs = minutes * 60_000;
  const waitScale = seed % 4 === 0 ? 1 : 0.1;
  const actions: PlannedAction[] = [];
  const temper = new Random(seed * 7919 + 3);
  /**
   * One track: actions of one kind of trouble, `least` to `most` ms apart; its randomness is its own. Every seed has a
   * temper: some tracks are busier in it, others calmer, so that no two seeds press at the same place.
   */
  const track = (
    salt: number,
    from: number,
    range: [number, number],
    make: (random: Random, at: number) => Action | undefined,
  ): void => {
    const random = new Random(seed * 1009 + salt);
    const pace = temper.pick(tempers[salt] ?? usual);
    const [least, most] = range.map((ms) => Math.round(ms * pace)) as [number, number];
    for (let at = from + random.int(0, least); at < endMs; at += random.int(least, most)) {
      const action = make(random, at);
      if (action) actions.push({ atMs: at, ...action });
    }
  };
  const slot = (random: Random): number => random.int(0, workers - 1);
  const when = (random: Random): When => (random.chance(0.3) ? "now" : random.pick(places));

  track(1, 0, [250, 900], (random) => ({
    do: "run",
    provider: weighted(random, [
      [5, "cve"],
      [2, "cwe"],
      [2, "capec"],
      [3, "attack"],
    ] as const),
    mode: random.chance(0.5) ? "full" : "incremental",
    via: random.chance(0.5) ? "queue" : "library",
  }));
  track(2, 3_000, [2_500, 6_000], (random) =>
    weighted<() => Action>(random, [
      [5, () => ({ do: "kill", slot: slot(random), when: when(random) })],
      [
        4,
        () => ({
          do: "sleep",
          slot: slot(random),
          when: when(random),
          // Past the lock (9 s), past the lease (12 s), or only long enough to be late.
          forMs: weighted(random, [
            [2, random.int(500, 4_000)],
            [2, random.int(9_500, 11_500)],
            [2, random.int(12_500, 15_000)],
          ]),
        }),
      ],
      [3, () => ({ do: "term", slot: slot(random) })],
    ])(),
  );
  // A Redis that restarts makes the fleet wait a lease: more often than this nothing would be left to disturb.
  let restartAfter = 8_000 + temper.int(0, 15_000);
  // One of three masters: the others go on.
  if (mode === "cluster") restartAfter = 3_000 + (restartAfter % 5_000);
  const tags = ["", ":permits", ...upstreamNames.flatMap((name) => [`:${name}`, `:up:${name}`])];
  track(3, 5_000, [3_500, 7_500], (random, at) => {
    const restarts: (readonly [number, () => Action])[] =
      mode === "cluster"
        ? [[40, () => ({ do: "failover", of: random.pick(tags) })]]
        : mode === "failover"
          ? [[12, () => ({ do: "failover" })]]
          : [
              [5, () => ({ do: "redis-kill", downMs: random.int(200, 4_000) })],
              [
                4,
                () => ({
                  do: "redis-power-cut",
                  downMs: random.int(200, 2_000),
                  lostMs: random.int(100, 1_000),
                }),
              ],
            ];
    const action = weighted<() => Action>(random, [
      ...(at >= restartAfter ? restarts : []),
      // A master of a cluster that is frozen for longer is replaced.
      [3, () => ({ do: "redis-freeze", forMs: random.int(500, mode === "cluster" ? 2_000 : 4_000) })],
      [2, () => ({ do: "client-kill", share: random.pick([0.3, 1]) })],
      [2, () => ({ do: "script-flush" })],
      [3, () => ({ do: "out-of-memory", forMs: random.int(500, 4_000) })],
      ...(mode !== "single"
        ? []
        : [[3, () => ({ do: "disk-full", forMs: random.int(1_500, 4_000) }) as Action] as const]),
    ])();
    if (["redis-kill", "redis-power-cut", "failover"].includes(action.do)) {
      restartAfter = at + (mode === "cluster" ? 10_000 : 30_000);
    }
    return action;
  });
  track(4, 4_000, [5_000, 9_000], (random) => {
    // The nodes of a cluster tell their own addresses: there is no line in between.
    if (mode === "cluster") return undefined;
    return weighted<() => Action>(random, [
      [
        3,
        () => ({
          do: "line-swallow",
          slot: slot(random),
          direction: random.pick(["up", "down", "both"] as const),
          forMs: weighted(random, [
            [2, random.int(500, 4_000)],
            [1, random.int(9_500, 14_000)],
          ]),
        }),
      ],
      [
        2,
        () => ({
          do: "line-slow",
          slot: slot(random),
          delayMs: random.int(5, 150),
          forMs: random.int(2_000, 6_000),
        }),
      ],
      [1, () => ({ do: "line-refuse", slot: slot(random), forMs: random.int(500, 3_000) })],
      [2, () => ({ do: "line-cut", slot: slot(random) })],
    ])();
  });
  // Drawn apart, so that the other faults of a seed stay what they were.
  const ofFeeds = new Random(seed * 1009 + 10);
  track(5, 3_000, [3_000, 6_000], (random) => ({
    do: "faults",
    faults: [...drawFaults(random, waitScale), ...drawFeedFaults(ofFeeds)],
    forMs: random.int(2_500, 7_000),
  }));
  let pointed = false;
  track(6, 5_000, [3_000, 6_000], (random) => {
    // The second point in time comes first or not at all: it undoes what was changed one by one.
    if (!pointed) {
      pointed = true;
      if (random.chance(0.4)) return { do: "point" };
    }
    const provider = random.pick(["cve", "cve", "cve", "cwe", "capec", "attack"] as const);
    const many = provider === "cve";
    return {
      do: "content",
      provider,
      add: random.int(0, 3),
      modify: random.int(0, many ? 300 : 12),
      silent: many && random.chance(0.2) ? random.int(1, 3) : 0,
      remove: random.chance(0.4) ? random.int(1, 3) : 0,
    };
  });
  track(7, 6_000, [4_000, 9_000], (random) =>
    weighted<() => Action>(random, [
      [4, () => ({ do: "pause", provider: random.pick(upstreamNames), forMs: random.int(1_500, 9_000) })],
      [4, () => ({ do: "resize", size: random.int(1, 6) })],
      [1, () => ({ do: "stop", provider: random.pick(upstreamNames) })],
      [5, () => ({ do: "replay", provider: random.pick(upstreamNames), twice: random.chance(0.5) })],
      [1, () => ({ do: random.pick(["accept", "purge"] as const), provider: random.pick(upstreamNames) })],
      [1, () => ({ do: "reset-breaker", provider: random.pick(upstreamNames) })],
    ])(),
  );
  // Last, so that the tempers of the other tracks stay what they were.
  track(8, 7_000, [8_000, 16_000], (random) =>
    mode !== "single"
      ? undefined
      : {
          do: "clock-step",
          offsetMs: random.chance(0.7) ? -random.int(15_000, 90_000) : random.int(15_000, 60_000),
          forMs: random.int(3_000, 8_000),
        },
  );
  // After the second point in time, which begins the editions again.
  track(9, 11_000, [7_000, 14_000], (random) => ({
    do: "take-back",
    provider: random.pick(["cwe", "capec", "attack"] as const),
    how: random.pick(["bad", "shrunk", "stale"] as const),
    forMs: random.int(1_500, 5_000),
  }));
  actions.sort((a, b) => a.atMs - b.atMs);
  return {
    seed,
    minutes,
    mode,
    workers,
    permits: 4,
    waitScale,
    content: { cve: 4_300, cwe: 60, capec: 50, attack: 900 },
    rates: {
      cve: { max: 10, windowMs: 2_000 },
      // Not set by the hunt: the limit that the provider has for its feeds.
      feeds: findProvider("cve")!.upstream.feeds!.rate,
      cwe: { max: 4, windowMs: 2_000 },
      capec: { max: 4, windowMs: 2_000 },
      attack: { max: 6, windowMs: 2_000 },
      kev: { max: 4, windowMs: 2_000 },
      epss: { max: 4, windowMs: 2_000 },
    },
    actions,
  };
}

export function planLines(plan: Plan): string[] {
  return plan.actions.map(({ atMs, do: what, ...facts }) => {
    const said = Object.entries(facts).map(
      ([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`,
    );
    return `${(atMs / 1000).toFixed(2).padStart(7)} s  ${what.padEnd(16)} ${said.join(" ")}`;
  });
}

export const replayCommand = ({ seed, minutes, mode }: Pick<Plan, "seed" | "minutes" | "mode">): string =>
  `npm run chaos -- --seed ${seed} --minutes ${minutes}${mode === "single" ? "" : ` --mode ${mode}`}`;
