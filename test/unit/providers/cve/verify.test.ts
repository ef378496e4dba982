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
  doubles: { count: 0, repeated: 0, ids: [] },
  newest: "2026-01-10T11:00:00.000",
  now: "2026-01-10T12:05:00.000Z",
  ...over,
});

describe("a full pass over NVD", () => {
  test("is verified when every page reported the same total and the unique ids equal it", () => {
    expect(verifyPass(input({}))).toEqual({ kind: "verified", watermark: "2026-01-10T11:00:00.000" });
  });

  const stamped = (timestamp?: string) =>
    facts({ group: "p1/all", total: 5, ...(timestamp ? { timestamp } : {}) });
  const future = "2027-01-01T00:00:00.000";
  test.each([
    ["the newest record", { newest: "2026-01-10T11:00:00.1234567Z" }, "2026-01-10T11:00:00.1234567Z"],
    [
      "the upstream's clock",
      { newest: future, facts: stamped("2026-01-10T11:30:00.000") },
      "2026-01-10T11:30:00.000",
    ],
    [
      "the run's start where the clock is ahead",
      { newest: future, facts: stamped("2099-01-01T00:00:00") },
      "2026-01-10T12:00:00.000Z",
    ],
    [
      "the run's start where there is no clock",
      { newest: future, facts: stamped() },
      "2026-01-10T12:00:00.000Z",
    ],
    [
      "the run's start where the clock cannot be read",
      { newest: future, facts: stamped("soon") },
      "2026-01-10T12:00:00.000Z",
    ],
    [
      "a lower value than the stored one, which was wrong",
      { watermark: "2099-01-01T00:00:00.000" },
      "2026-01-10T11:00:00.000",
    ],
    ["none where no record has a time", { newest: null, watermark: "2025-01-01" }, null],
  ] as const)("gives as watermark %s", (_name, over, watermark) => {
    expect(verifyPass(input(over as Partial<VerifyInput>))).toEqual({ kind: "verified", watermark });
  });

  test("is walked again when a counted record was not served, and says where", () => {
    const holes = facts({ group: "p1/all", total: 5, missing: { count: 1, at: "offset 3" } });
    expect(verifyPass(input({ facts: holes, unique: 4 }))).toMatchObject({
      kind: "again",
      reason: "1 record is counted and was not served (offset 3)",
    });
  });

  test("is verified when what is missing of the total are ids that are listed twice, seen in two passes", () => {
    const twice = { pass: 2, facts: facts({ group: "p2/all", total: 5 }), unique: 4 };
    const first = { ...twice, doubles: { count: 1, repeated: 0, ids: ["CVE-2026-1001"] } };
    expect(verifyPass(input(first))).toMatchObject({
      kind: "again",
      reason:
        "the upstream counts 5 records, 4 different ones were received; served more than once: CVE-2026-1001",
    });
    const repeated = { ...twice, doubles: { count: 1, repeated: 1, ids: ["CVE-2026-1001"] } };
    expect(verifyPass(input(repeated)).kind).toBe("verified");
    const another = { ...twice, doubles: { count: 2, repeated: 1, ids: ["CVE-2026-1001", "CVE-2026-1002"] } };
    expect(verifyPass(input(another)).kind).toBe("again");
  });

  test("is walked again when ids are missing", () => {
    expect(verifyPass(input({ unique: 4 }))).toMatchObject({
      kind: "again",
      batches: [{ key: "p2/all/0000000" }],
    });
  });

  test("is walked again when the total fell", () => {
    const moved = facts({ group: "p1/all", total: 5 }, { group: "p1/all", total: 4 });
    expect(verifyPass(input({ facts: moved }))).toMatchObject({
      kind: "again",
      reason: expect.stringContaining("the total fell"),
    });
  });

  test("is walked again when the total rose and fell back: records left meanwhile, or replicas disagree", () => {
    const across = facts(
      { group: "p1/all", total: 5 },
      { group: "p1/all", total: 6 },
      { group: "p1/all", total: 5 },
    );
    expect(verifyPass(input({ facts: across }))).toMatchObject({ kind: "again" });
    const within = facts(
      { group: "p1/all", total: 5 },
      { group: "p1/all", total: 5, moved: { first: 5, fell: true } },
    );
    expect(verifyPass(input({ facts: within }))).toMatchObject({ kind: "again" });
  });

  test("compares the totals in the order of the answers, not of the plan", () => {
    const late = facts(
      { group: "p1/all", total: 6, fetchedAt: 3 },
      { group: "p1/all", total: 5, fetchedAt: 1 },
    );
    expect(verifyPass(input({ facts: late }))).toMatchObject({ kind: "extend" });
    const early = facts(
      { group: "p1/all", total: 6, fetchedAt: 1 },
      { group: "p1/all", total: 5, fetchedAt: 3 },
    );
    expect(verifyPass(input({ facts: early }))).toMatchObject({ kind: "again" });
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
    const disagreeing = facts({ group: "p1/probe", total: 7, moved: { first: 6, fell: false } });
    expect(verifyPass(input({ facts: [...tailed, ...disagreeing], unique: 7 }))).toMatchObject({
      kind: "again",
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
    expect(
      increment({ facts: facts({ group: "p1/w0", total: 5, moved: { first: 4, fell: false } }) }),
    ).toMatchObject({
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

  test("takes no window that begins after its end for one that must hold something", () => {
    const [head] = walk(
      { mode: "incremental", watermark: "2026-01-10T15:00:00.000", startedAt: "2026-01-10T12:00:00.000Z" },
      1,
    );
    expect(head?.payload.mustHaveRecords).toBe(false);
    expect(head?.payload.window?.start).toBe("2026-01-10T05:00:00.000Z");
  });

  test.each(["0001-01-01T00:00:00", "0000-01-01T00:00:00+14:00", "1970-01-01T00:00:00.000"])(
    "since %s walks everything: its windows would cost more",
    (watermark) => {
      const [head, ...more] = walk(
        { mode: "incremental", watermark, startedAt: "2026-01-10T12:00:00.000Z" },
        1,
      );
      expect([head?.payload.listing, more]).toEqual(["p1/all", []]);
    },
  );

  test("that received nothing is walked again: the record at the watermark lies in it", () => {
    const nothing = facts({ group: "p1/w0", total: 0 }, { group: "p1/w1", total: 0 });
    expect(increment({ facts: nothing, unique: 0 })).toMatchObject({ kind: "again" });
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
