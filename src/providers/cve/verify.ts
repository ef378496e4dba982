/**
 * Is a pass over NVD the whole truth? Only if every page of a listing reported the same total and the unique ids equal
 * it. NVD's listings move while they are paged: records enter, leave and shift between pages; and replicas of NVD that
 * answer in turn may disagree.
 *
 *   a record counted, not served → walk again: a hole
 *   increment  totals differ     → walk again
 *   full       totals differ     → if they only grew, in the order of the answers, finish with an increment from the
 *                                  run's start (the tail), then ask for the total twice (the probe) and compare; else
 *                                  walk again
 *   ids missing                  → walk again, unless the difference is ids that the upstream lists twice: with the
 *                                  same content in two passes, that is its truth
 *   full       older versions than stored → walk again; seen twice, they are the upstream's truth
 *   feeds      one was refused, or they are old → walk the API; else close the gap: an increment since the feeds were
 *              made, then the API's total, which must equal what was received; up to three times, then walk the API
 */
import { formatTime, parseTime } from "../../core/time.ts";
import type { FeedFacts, PlannedBatch, RunMode, Verdict, VerifyInput } from "../contract.ts";
import { type CvePayload, headBatch, type PagePayload, probeBatch } from "./payload.ts";
import { windows } from "./windows.ts";

/** NVD's clock and ours, and records entered retroactively: increments overlap by this much. */
const OVERLAP_MS = 10 * 3_600_000;
/** An increment over more windows than this (32 years) would cost more than walking everything. */
const MAX_WINDOWS = 100;
/** Feeds older than this take more requests to close the gap than they save. */
const OLDEST_FEED_MS = 118 * 24 * 3_600_000;
/** Rounds of increment and total after the feeds: records are published while they are read. */
const GAP_ROUNDS = 3;
/** An upstream's clock farther behind Redis' clock than this is wrong: the tail then starts at the run's own start. */
const CLOCK_LAG_MS = 24 * 3_600_000;

interface Group {
  first: number;
  last: number;
  /** In the order in which they were answered, did the totals differ, and was any lower than one before it? */
  moved: boolean;
  fell: boolean;
  /** Records that are counted and were not served. */
  missing: number;
  missingAt: string[];
  timestamp: string | undefined;
}

function groupsOf(input: VerifyInput): Map<string, Group> {
  const found = new Map<string, Group>();
  // Batches of facts without a time keep their places in the plan's order.
  const ordered = [...input.facts].sort((a, b) => (a.facts.fetchedAt ?? 0) - (b.facts.fetchedAt ?? 0));
  for (const { facts } of ordered) {
    const first = facts.moved?.first ?? facts.total;
    const group = found.get(facts.group) ?? {
      first,
      last: first,
      moved: false,
      fell: false,
      missing: 0,
      missingAt: [],
      timestamp: undefined,
    };
    found.set(facts.group, group);
    group.moved ||= facts.moved !== undefined || first !== group.last;
    // A batch of an older version does not say how its totals moved.
    group.fell ||= first < group.last || (facts.moved !== undefined && facts.moved.fell !== false);
    group.last = facts.total;
    group.missing += facts.missing?.count ?? 0;
    if (facts.missing) group.missingAt.push(facts.missing.at);
    group.timestamp ??= facts.timestamp;
  }
  return found;
}

/**
 * The least of the newest lastModified, the first response's own clock and the run's start. An increment keeps the
 * watermark that it began with where that is later; a full run has seen everything and may lower it.
 */
function watermarkOf(input: VerifyInput): string | null {
  if (parseTime(input.newest) === undefined) return input.mode === "full" ? null : input.watermark;
  const timestamp = input.facts.find(({ facts }) => facts.timestamp !== undefined)?.facts.timestamp;
  const candidates = [input.newest, timestamp, input.startedAt].filter(
    (text): text is string => parseTime(text) !== undefined,
  );
  const reached = candidates.reduce((least, text) => (parseTime(text)! < parseTime(least)! ? text : least));
  const before = input.mode === "full" ? undefined : parseTime(input.watermark);
  return before !== undefined && before > parseTime(reached)! ? input.watermark : reached;
}

/** The batches that walk everything once. Listings of pass n have their own names. */
export function walk(
  input: { mode: RunMode; watermark: string | null; startedAt: string },
  pass: number,
  options: { twice?: true } = {},
): PlannedBatch<PagePayload>[] {
  const since = parseTime(input.watermark);
  const everything = headBatch({
    listing: `p${pass}/all`,
    window: null,
    mustHaveRecords: true,
    laterUntil: null,
    ...options,
  });
  if (input.mode !== "incremental" || since === undefined) return [everything];
  const end = parseTime(input.startedAt) ?? since;
  const pieces = windows(since - OVERLAP_MS, end);
  if (pieces.length > MAX_WINDOWS) return [everything];
  // Only the first window is planned: its answer tells the upstream's clock, and with it which later ones can hold
  // anything.
  return [
    headBatch({
      listing: `p${pass}/w0`,
      window: pieces[0]!,
      // The record at the watermark lies in the increment; in its first window for certain only where there is no other.
      mustHaveRecords: pieces.length === 1 && since <= end,
      laterUntil: new Date(Math.max(end, since)).toISOString(),
      ...options,
    }),
  ];
}

const again = (input: VerifyInput, reason: string, options: { twice?: true } = {}): Verdict<CvePayload> => ({
  kind: "again",
  reason,
  batches: walk(input, input.pass + 1, options),
});

/**
 * The pass lacks records, or its totals disagree: replicas of the upstream may answer in turn. What one of them lists
 * between two pages comes with the other's answer when every page is asked for twice.
 */
const againTwice = (input: VerifyInput, reason: string): Verdict<CvePayload> =>
  again(input, reason, { twice: true });

/** `the upstream counts 5 records, 4 different ones came; served more than once: CVE-2026-1` */
function difference(input: VerifyInput, counted: number): string {
  const { count, ids } = input.doubles;
  const shown = `${ids.join(", ")}${count > ids.length ? ` and ${count - ids.length} more` : ""}`;
  const said = count > 0 ? `; served more than once: ${shown}` : "";
  return `the upstream counts ${counted} records, ${input.unique} different ones were received${said}`;
}

/**
 * Every place of the listings was served, so what is missing of the total are ids that were served more than once. All
 * of them with the same content, and in an earlier pass too: the upstream lists them twice.
 */
const listedTwice = ({ doubles, unique }: VerifyInput, counted: number): boolean =>
  unique < counted && doubles.count > 0 && doubles.repeated === doubles.count;

export function verifyPass(input: VerifyInput): Verdict<CvePayload> {
  const all = groupsOf(input);
  if (input.mode === "reconcile") return verifyReconcile(input, all);
  const holes = [...all.values()].filter((group) => group.missing > 0);
  // @safeguard holes
  if (holes.length > 0) {
    const missing = holes.reduce((sum, group) => sum + group.missing, 0);
    const at = holes.flatMap((group) => group.missingAt).slice(0, 5);
    const said = missing === 1 ? "1 record is counted and was" : `${missing} records are counted and were`;
    return againTwice(input, `${said} not served (${at.join("; ")})`);
  }
  const main = all.get(`p${input.pass}/all`);
  if (input.pass === 1 && [...all.keys()].some((name) => name.startsWith("p1/feed-")))
    return verifyFeeds(input, all);
  return main ? verifyWhole(input, all, main) : verifyIncrement(input, [...all.values()]);
}

function verifyIncrement(input: VerifyInput, groups: Group[]): Verdict<CvePayload> {
  // @safeguard increment-total-moved
  if (groups.some((group) => group.moved)) return againTwice(input, "the increment's total moved");
  const counted = groups.reduce((total, group) => total + group.last, 0);
  const since = parseTime(input.watermark);
  if (counted === 0 && since !== undefined && since <= parseTime(input.startedAt)!) {
    return againTwice(input, "nothing was received of an increment that holds the record at the watermark");
  }
  // @safeguard increment-count
  if (counted !== input.unique && !listedTwice(input, counted))
    return againTwice(input, difference(input, counted));
  return { kind: "verified", watermark: watermarkOf(input) };
}

function verifyWhole(input: VerifyInput, all: Map<string, Group>, main: Group): Verdict<CvePayload> {
  const named = (stem: string): Group[] =>
    [...all].filter(([name]) => name.startsWith(`p${input.pass}/${stem}`)).map(([, group]) => group);
  const tails = named("tail");
  const [probe] = named("probe");
  // @safeguard full-total-fell
  if (main.fell) return againTwice(input, "the total fell, or replicas of the upstream disagree about it");
  if (main.moved) {
    if (tails.length === 0) return tail(input, main);
    if (tails.some((group) => group.moved)) return againTwice(input, "the total of the tail moved");
    if (!probe)
      return { kind: "extend", reason: "the tail is in", batches: [probeBatch(`p${input.pass}/probe`)] };
    if (probe.moved)
      return againTwice(input, "the total moved, or replicas of the upstream disagree about it");
  }
  const counted = probe?.last ?? main.last;
  // @safeguard full-count
  if (counted !== input.unique && (main.moved || !listedTwice(input, counted))) {
    return againTwice(input, difference(input, counted));
  }
  if (input.regressed > 0) {
    return again(input, `${input.regressed} records came in an older version than the stored one`);
  }
  return { kind: "verified", watermark: watermarkOf(input) };
}

/** The total grew while the listing was walked: what is new is in an increment from the run's start. */
function tail(input: VerifyInput, main: Group): Verdict<CvePayload> {
  const started = parseTime(input.startedAt)!;
  const clock = parseTime(main.timestamp);
  const from = clock === undefined || clock < started - CLOCK_LAG_MS ? started : Math.min(started, clock);
  return {
    kind: "extend",
    reason: `the total grew from ${main.first} to ${main.last}`,
    batches: windows(from - OVERLAP_MS, parseTime(input.now)!).map((window, i) =>
      headBatch({ listing: `p${input.pass}/tail${i}`, window, mustHaveRecords: false, laterUntil: null }),
    ),
  };
}

/** Everything is walked through the API, and the run's status says why. */
function withoutFeeds(input: VerifyInput, reason: string): Verdict<CvePayload> {
  const note = `The year feeds were not enough, so NVD's API is walked: ${reason}.`;
  return { kind: "again", reason, note, batches: walk(input, input.pass + 1) };
}

/** All feeds are in: the API says what has changed since they were made, and how many records there are. */
function verifyFeeds(input: VerifyInput, all: Map<string, Group>): Verdict<CvePayload> {
  const refused = refusedFeed(input);
  // @safeguard feed-refused
  if (refused) return withoutFeeds(input, refused);
  const feeds = feedsOf(input);
  const started = parseTime(input.startedAt)!;
  const asOf = oldestOf(feeds) ?? started;
  if (started - asOf > OLDEST_FEED_MS)
    return withoutFeeds(input, `the oldest was made at ${formatTime(asOf)}`);

  const { round, groups } = lastGap(all);
  if (groups.length === 0) return gap(0, Math.min(asOf, started), parseTime(input.now)!);
  const moved = groups.some((group) => group.moved);
  const probe = all.get(`p1/probe${round}`);
  if (!moved && !probe) {
    const batches = [probeBatch(`p1/probe${round}`)];
    return { kind: "extend", reason: "the increment since the feeds is in", batches };
  }
  // @safeguard feeds-count
  if (moved || !probe || probe.moved || probe.last > input.unique) {
    // Records are published meanwhile: they are in an increment from the run's start.
    if (round + 1 < GAP_ROUNDS) return gap(round + 1, started, parseTime(input.now)!);
  }
  if (moved || !probe || probe.moved || probe.last !== input.unique) {
    const counted = probe && !moved && !probe.moved ? `${probe.last} records` : "totals that move";
    return withoutFeeds(input, `the API counts ${counted}, the feeds and the API gave ${input.unique}`);
  }
  if (input.regressed > 0) {
    return withoutFeeds(input, `${input.regressed} records are older in the feeds than in the store`);
  }
  return { kind: "verified", watermark: watermarkOf(input) };
}

/** The time as of which all feeds hold; undefined where there is none. */
function oldestOf(feeds: readonly FeedFacts[]): number | undefined {
  const times = feeds.map(({ asOf }) => Date.parse(asOf));
  return times.length === 0 ? undefined : Math.min(...times);
}

const gap = (round: number, from: number, to: number): Verdict<CvePayload> => ({
  kind: "extend",
  reason: round === 0 ? "the feeds are in" : "the API's total is not what was received",
  batches: windows(from - OVERLAP_MS, to).map((window, i) =>
    headBatch({ listing: `p1/gap${round}w${i}`, window, mustHaveRecords: false, laterUntil: null }),
  ),
});

/** The newest round of increments since the feeds; no groups where none was asked for yet. */
function lastGap(all: Map<string, Group>): { round: number; groups: Group[] } {
  const of = (round: number): Group[] =>
    [...all].filter(([name]) => name.startsWith(`p1/gap${round}w`)).map(([, group]) => group);
  let round = 0;
  while (of(round + 1).length > 0) round++;
  return { round, groups: of(round) };
}

const feedsOf = (input: VerifyInput): FeedFacts[] => input.facts.flatMap(({ facts }) => facts.feed ?? []);

function refusedFeed(input: VerifyInput): string | undefined {
  const refused = input.facts.find(({ facts }) => facts.feedRefused)?.facts.feedRefused;
  return refused && `${refused.name}: ${refused.code}: ${refused.message.replace(/\.$/, "")}`;
}

/**
 * A reconciliation compares with the feeds, and with what the API says of the hours before they were made: what was modified
 * while they were made may be in them or not.
 */
function verifyReconcile(input: VerifyInput, all: Map<string, Group>): Verdict<CvePayload> {
  const refused = refusedFeed(input);
  if (refused) return { kind: "ended", code: "PROV_FEEDS_UNUSABLE", reason: refused };
  const feeds = feedsOf(input);
  const oldest = oldestOf(feeds);
  if (oldest === undefined) return { kind: "ended", code: "PROV_FEEDS_UNUSABLE", reason: "there are none" };
  const started = parseTime(input.startedAt)!;
  const newest = Math.max(...feeds.map(({ asOf }) => Date.parse(asOf)));
  const { round, groups } = lastGap(all);
  const isWhole = groups.length > 0 && !groups.some((group) => group.moved || group.missing > 0);
  if (isWhole) return { kind: "compared", feeds };
  if (groups.length > 0 && round + 1 >= GAP_ROUNDS) {
    return { kind: "ended", code: "PROV_NOT_VERIFIED", reason: "the API's totals kept moving" };
  }
  return gap(groups.length === 0 ? 0 : round + 1, Math.min(oldest, started), Math.min(newest, started));
}
