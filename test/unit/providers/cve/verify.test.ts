import { describe, expect, test } from "@jest/globals";
import type { BatchFacts, VerifyInput } from "../../../../src/providers/contract.ts";
import { verifyPass, walk } from "../../../../src/providers/cve/verify.ts";

const facts = (...list: BatchFacts[]) => list.map((f, i) => ({ key: `k${i}`, facts: f }));
const input = (over: Partial<VerifyInput>): VerifyInput => ({
  mode: "full",
  startedAt: "2026-01-10T12:00:00.000Z",
  watermark: null,
  pass: 1,
  facts: facts({ group: "p1/all", total: 5, timestamp: "2026-01-10T12:00:01.000" }),
  unique: 5,
  regressed: 0,
  newest: "2026-01-10T11:00:00.000",
  now: "2026-01-10T12:05:00.000Z",
  ...over,
});

describe("a full pass over NVD", () => {
  test("is verified when every page reported the same total and the unique ids equal it", () => {
    expect(verifyPass(input({}))).toEqual({ kind: "verified", watermark: "2026-01-10T11:00:00.000" });
  });

  test("takes the upstream's own clock as watermark when records claim to be newer", () => {
    expect(verifyPass(input({ newest: "2027-01-01T00:00:00.000" }))).toEqual({
      kind: "verified",
      watermark: "2026-01-10T12:00:01.000",
    });
  });

  test("is walked again when ids are missing", () => {
    expect(verifyPass(input({ unique: 4 }))).toMatchObject({
      kind: "again",
      batches: [{ key: "p2/all/0000000" }],
    });
  });

  test("is walked again when the total fell", () => {
    const moved = facts({ group: "p1/all", total: 5 }, { group: "p1/all", total: 4 });
    expect(verifyPass(input({ facts: moved }))).toMatchObject({ kind: "again", reason: "the total fell" });
  });

  test("is walked again when the total rose and fell back: records left meanwhile", () => {
    const moved = facts(
      { group: "p1/all", total: 5 },
      { group: "p1/all", total: 6 },
      { group: "p1/all", total: 5 },
    );
    expect(verifyPass(input({ facts: moved }))).toMatchObject({ kind: "again" });
  });

  test("is walked again when it held older versions than the store", () => {
    expect(verifyPass(input({ regressed: 1 }))).toMatchObject({ kind: "again" });
  });

  test("is finished by an increment from the run's start when the total grew, then compared with a fresh total", () => {
    const grew = facts(
      { group: "p1/all", total: 5, timestamp: "2026-01-10T12:00:01.000" },
      { group: "p1/all", total: 7 },
    );
    const tail = verifyPass(input({ facts: grew, unique: 6 }));
    expect(tail).toMatchObject({
      kind: "extend",
      batches: [{ payload: { listing: "p1/tail0", window: { start: "2026-01-10T02:00:00.000Z" } } }],
    });
    const tailed = [...grew, ...facts({ group: "p1/tail0", total: 2 })];
    expect(verifyPass(input({ facts: tailed, unique: 7 }))).toMatchObject({
      kind: "extend",
      batches: [{ payload: { kind: "probe" } }],
    });
    const probed = [...tailed, ...facts({ group: "p1/probe", total: 7 })];
    expect(verifyPass(input({ facts: probed, unique: 7 }))).toMatchObject({ kind: "verified" });
    expect(verifyPass(input({ facts: probed, unique: 6 }))).toMatchObject({ kind: "again" });
  });
});

describe("an increment", () => {
  const increment = (over: Partial<VerifyInput>) =>
    verifyPass(
      input({
        mode: "incremental",
        watermark: "2026-01-09T00:00:00.000",
        facts: facts({ group: "p1/w0", total: 3 }, { group: "p1/w1", total: 2 }),
        ...over,
      }),
    );

  test("is verified when its windows together hold what was received", () => {
    expect(increment({})).toMatchObject({ kind: "verified", watermark: "2026-01-10T11:00:00.000" });
  });

  test("is walked again when a total moved", () => {
    expect(increment({ facts: facts({ group: "p1/w0", total: 5, moved: true }) })).toMatchObject({
      kind: "again",
    });
  });

  test("never moves the watermark back", () => {
    expect(increment({ newest: "2026-01-01T00:00:00.000" })).toEqual({
      kind: "verified",
      watermark: "2026-01-09T00:00:00.000",
    });
  });

  test("starts ten hours before the watermark and ends, frozen, at the run's start", () => {
    const [head] = walk(
      { mode: "incremental", watermark: "2026-01-09T00:00:00.000", startedAt: "2026-01-10T12:00:00.000Z" },
      1,
    );
    expect(head?.payload.window).toEqual({
      start: "2026-01-08T14:00:00.000Z",
      end: "2026-01-10T12:00:00.000Z",
    });
    expect(head?.payload.mustHaveRecords).toBe(true);
  });

  test("of a long gap has a first window of at most 120 days", () => {
    const [head] = walk(
      { mode: "incremental", watermark: "2024-01-09T00:00:00.000", startedAt: "2026-01-10T12:00:00.000Z" },
      1,
    );
    const { start, end } = head!.payload.window!;
    expect(Date.parse(end) - Date.parse(start)).toBeLessThanOrEqual(120 * 86_400_000);
    expect(head?.payload.laterUntil).toBe("2026-01-10T12:00:00.000Z");
  });
});
