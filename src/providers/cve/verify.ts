/**
 * Is a pass over NVD the whole truth? Only if every page of a listing reported the same total and the unique ids equal
 * it. NVD's listings move while they are paged: records enter, leave and shift between pages.
 *
 *   increment   totals moved or ids missing            → walk again
 *   full        total fell, or ids missing             → walk again
 *   full        total grew                             → finish with an increment from the run's start (the tail), then
 *                                                        ask for the total once more (the probe) and compare
 *   full        a page held older versions than stored → walk again; seen twice, they are the upstream's truth
 */
import { parseTime } from "../../core/time.ts";
import type { Verdict, VerifyInput } from "../contract.ts";
import { type CvePayload, headBatch, probeBatch } from "./payload.ts";
import { windows } from "./windows.ts";

/** NVD's clock and ours, and records entered retroactively: increments overlap by this much. */
export const OVERLAP_MS = 10 * 3_600_000;

interface Group {
  first: number;
  last: number;
  greatest: number;
  moved: boolean;
  timestamp: string | undefined;
}

function groups(input: VerifyInput): Map<string, Group> {
  const found = new Map<string, Group>();
  for (const { facts } of input.facts) {
    const group = found.get(facts.group);
    if (!group) {
      found.set(facts.group, {
        first: facts.total,
        last: facts.total,
        greatest: facts.total,
        moved: facts.moved ?? false,
        timestamp: facts.timestamp,
      });
      continue;
    }
    if (facts.total !== group.first || facts.moved) group.moved = true;
    group.last = facts.total;
    group.greatest = Math.max(group.greatest, facts.total);
    group.timestamp ??= facts.timestamp;
  }
  return found;
}

/** The lesser of the newest lastModified and the first response's own clock; never behind what was verified before. */
export function watermarkOf(input: VerifyInput): string | null {
  const timestamp = input.facts.find(({ facts }) => facts.timestamp)?.facts.timestamp ?? null;
  const newest = parseTime(input.newest);
  const clock = parseTime(timestamp);
  const reached =
    newest === undefined ? null : clock !== undefined && clock < newest ? timestamp : input.newest;
  const before = parseTime(input.watermark);
  if (before === undefined) return reached;
  const now = parseTime(reached);
  return now !== undefined && now > before ? reached : input.watermark;
}

/** The batches that walk everything once. Listings of pass n have their own names. */
export function walk(
  input: { mode: "full" | "incremental"; watermark: string | null; startedAt: string },
  pass: number,
): ReturnType<typeof headBatch>[] {
  const since = parseTime(input.watermark);
  if (input.mode === "full" || since === undefined) {
    return [headBatch({ listing: `p${pass}/all`, window: null, mustHaveRecords: true, laterUntil: null })];
  }
  // Only the first window is planned: its answer tells the upstream's clock, and with it which later ones can hold
  // anything.
  const end = parseTime(input.startedAt) ?? since;
  const [first] = windows(since - OVERLAP_MS, end);
  return [
    headBatch({
      listing: `p${pass}/w0`,
      window: first!,
      mustHaveRecords: true,
      laterUntil: new Date(Math.max(end, since)).toISOString(),
    }),
  ];
}

const again = (input: VerifyInput, reason: string): Verdict<CvePayload> => ({
  kind: "again",
  reason,
  batches: walk(input, input.pass + 1),
});

export function verifyPass(input: VerifyInput): Verdict<CvePayload> {
  const all = groups(input);
  const main = all.get(`p${input.pass}/all`);
  if (!main) {
    const sum = [...all.values()].reduce((total, group) => total + group.last, 0);
    // @safeguard increment-total-moved
    if ([...all.values()].some((group) => group.moved)) return again(input, "the increment's total moved");
    // @safeguard increment-count
    if (sum !== input.unique) {
      return again(input, `the upstream has ${sum} records in the window, ${input.unique} were received`);
    }
    return { kind: "verified", watermark: watermarkOf(input) };
  }
  const tails = [...all].filter(([name]) => name.startsWith(`p${input.pass}/tail`));
  const probe = [...all].find(([name]) => name.startsWith(`p${input.pass}/probe`))?.[1];
  if (tails.length === 0) {
    // @safeguard full-total-fell
    if (main.last < main.first || main.last < main.greatest) return again(input, "the total fell");
    if (main.last > main.first) {
      const start = Math.min(
        parseTime(input.startedAt)!,
        parseTime(main.timestamp) ?? Number.POSITIVE_INFINITY,
      );
      return {
        kind: "extend",
        reason: `the total grew from ${main.first} to ${main.last}`,
        batches: windows(start - OVERLAP_MS, parseTime(input.now)!).map((window, i) =>
          headBatch({
            listing: `p${input.pass}/tail${i}`,
            window,
            mustHaveRecords: false,
            laterUntil: null,
          }),
        ),
      };
    }
    // @safeguard full-count
    if (main.first !== input.unique) {
      return again(input, `the upstream has ${main.first} records, ${input.unique} were received`);
    }
  } else {
    if (tails.some(([, tail]) => tail.moved)) return again(input, "the total of the tail moved");
    if (!probe) return { kind: "extend", reason: "the tail is in", batches: [probeBatch(input.pass)] };
    if (probe.last !== input.unique) {
      return again(input, `the upstream has ${probe.last} records, ${input.unique} were received`);
    }
  }
  if (input.regressed > 0) {
    return again(input, `${input.regressed} records came in an older version than the stored one`);
  }
  return { kind: "verified", watermark: watermarkOf(input) };
}
