import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import type {
  DeadLetter,
  DeadLetterReport,
  DeadLetterStats,
  DeadLetters,
  Engine,
} from "../../../src/engine/api.ts";
import { closed, fakeCli, fakeEngine, fakeWorker } from "./support.ts";

const letter: DeadLetter = {
  id: "r-abc",
  provider: "cve",
  kind: "record",
  class: "bad-record",
  state: "dead",
  code: "VAL_RECORD_FIELD",
  message: "descriptions is no list",
  subject: "CVE-2024-1",
  runId: "run-1",
  batch: "bad/r-abc",
  size: 1,
  attempts: 1,
  replays: 2,
  firstFailedAt: "2026-03-15T11:00:00.000Z",
  lastFailedAt: "2026-03-15T11:00:00.000Z",
  rawBytes: 12,
  jobId: "job-1",
  replayRunId: null,
  lastAction: null,
};

const stats: DeadLetterStats = {
  total: 3,
  waiting: 0,
  byState: { dead: 2, replaying: 0, accepted: 1 },
  byCode: { VAL_RECORD_FIELD: 3 },
  byClass: { "bad-record": 3 },
  byProvider: { cve: 3, cwe: 0 },
  rawBytes: 36,
  oldest: "2026-03-14T12:00:00.000Z",
  newest: "2026-03-15T11:00:00.000Z",
  maxReplays: 2,
  meanReplays: 0.7,
  caps: [
    { provider: "cve", entries: 2, maxEntries: 2, rawBytes: 24, maxRawBytes: 1000, share: 1, level: "full" },
  ],
};

const report = (over: Partial<DeadLetterReport> = {}): DeadLetterReport => ({
  ...{ dryRun: false, matched: 1, done: 1, skipped: {}, sample: [letter] },
  ...over,
});
const nothingLost = { batches: 0, batchRecords: 0, records: 0, rawBytes: 0 };

const engineWith = (letters: Partial<DeadLetters>, over: Partial<Engine> = {}): Engine => {
  const none = fakeEngine().deadLetters;
  return fakeEngine({ ...over, deadLetters: { ...none, stats: async () => stats, ...letters } });
};

describe("uee dlq list", () => {
  test("prints a table and how to go on, or JSON with total and cursor", async () => {
    const engine = engineWith({ list: async () => ({ letters: [letter], cursor: "next" }) });
    const cli = fakeCli(engine);
    expect(await cli.run("dlq", "list")).toBe(0);
    expect(cli.stdout.text).toContain("VAL_RECORD_FIELD");
    expect(cli.stdout.text).toContain("1 of 3 shown; --cursor next goes on.");
    const json = fakeCli(engine);
    await json.run("dlq", "list", "--json");
    expect(json.json()).toEqual({ deadLetters: [letter], total: 3, cursor: "next" });
  });

  test("hands every filter on", async () => {
    const asked: unknown[] = [];
    const engine = engineWith({
      list: async (...args) => {
        asked.push(args);
        return { letters: [], cursor: null };
      },
    });
    const flags = [
      "--provider",
      "cve",
      "--code",
      "val_record_id",
      "--class",
      "bad-record",
      "--state",
      "dead",
    ];
    const rest = ["--older-than", "24h", "--newer-than", "7d", "--limit", "5", "--cursor", "c"];
    expect(await fakeCli(engine).run("dlq", "list", ...flags, ...rest)).toBe(0);
    const filter = { provider: "cve", code: "VAL_RECORD_ID", class: "bad-record", state: "dead" };
    const ages = { olderThanMs: 86_400_000, newerThanMs: 604_800_000 };
    expect(asked).toEqual([
      [
        { ...filter, ...ages },
        { limit: 5, cursor: "c" },
      ],
    ]);
  });

  test.each([
    ["--class", "dead"],
    ["--state", "lost"],
    ["--older-than", "yesterday"],
    ["--provider", "cves"],
  ])("says what is wrong with %s %s", async (...flags) => {
    const cli = fakeCli(engineWith({}));
    expect(await cli.run("dlq", "list", ...flags)).toBe(2);
  });
});

describe("uee dlq show", () => {
  const showing = (raw: Buffer | null) => engineWith({ show: async () => ({ letter, raw }) });

  test("prints the raw bytes as they came; what is not UTF-8 goes into JSON as base64", async () => {
    const bytes = fakeCli(showing(Buffer.from('{"id": 5}')));
    expect(await bytes.run("dlq", "show", "r-abc", "--raw")).toBe(0);
    expect(bytes.stdout.text).toBe('{"id": 5}');
    const binary = fakeCli(showing(Buffer.from([0xff, 0x00])));
    await binary.run("dlq", "show", "r-abc", "--json");
    expect(binary.json()).toMatchObject({ raw: "/wA=", rawEncoding: "base64" });
  });

  test("lets no control character of a bad record reach the terminal", async () => {
    const cli = fakeCli(showing(Buffer.from('"\u001b[2J\u0007"')));
    await cli.run("dlq", "show", "r-abc");
    expect(cli.stdout.text).not.toContain("\u001b");
    expect(cli.stdout.text).toContain("[2J");
  });
});

test("uee dlq stats counts by code, class and provider, and says who is at the cap", async () => {
  const cli = fakeCli(engineWith({}));
  expect(await cli.run("dlq", "stats")).toBe(0);
  for (const text of ["3 dead letters", "2 dead", "1 accepted", "bad-record", "at 100 % of its cap: 2 of 2"])
    expect(cli.stdout.text).toContain(text);
  const json = fakeCli(engineWith({}));
  await json.run("dlq", "stats", "--json");
  expect(json.json()).toEqual(stats);
});

describe("uee dlq replay", () => {
  const run = { provider: "cve", runId: "cve-replay-1", letters: 1, waitingFor: null };
  const worker = {
    id: "w1",
    host: "here",
    pid: 1,
    startedAt: "",
    lastSeen: "",
    providers: ["cve", "cwe", "capec", "attack"],
    takesRuns: true,
  };

  test("says in which run, and who waits for what; with workers it does not wait", async () => {
    const waiting = { ...run, waitingFor: "the run cve-1 is open" };
    const engine = engineWith(
      { replay: async () => ({ ...report({ skipped: { replaying: 2 } }), runs: [waiting], badRecords: 1 }) },
      { liveWorkers: async () => [worker] },
    );
    const cli = fakeCli(engine);
    expect(await cli.run("dlq", "replay")).toBe(0);
    expect(cli.stdout.text).toContain("1 dead letter replayed, each with a new job; 2 left (replaying).");
    expect(cli.stdout.text).toContain("in run cve-replay-1, which waits: the run cve-1 is open");
    expect(cli.stdout.text).toContain(
      "1 bad record: the kept bytes are read again, the upstream is not asked.",
    );
  });

  test("waits through a Redis that is away", async () => {
    let asked = 0;
    const engine = engineWith(
      { replay: async () => ({ ...report(), runs: [run], badRecords: 0 }) },
      {
        startWorker: async () => fakeWorker(),
        waitForRun: async () => {
          if (asked++ === 0) throw new UeeError("SYS_REDIS_UNREACHABLE");
          return closed("cve", { kind: "replay", runId: "cve-replay-1" });
        },
      },
    );
    const cli = fakeCli(engine);
    expect(await cli.run("dlq", "replay", "--wait")).toBe(0);
    expect(cli.stdout.text).toContain("run cve-replay-1 ended complete");
  });

  test("without a live worker does the work here, and ends 1 when a replay fails again", async () => {
    const asked: unknown[] = [];
    const ended = closed("cve", { kind: "replay", runId: "cve-replay-1", state: "incomplete" });
    const engine = engineWith(
      { replay: async () => ({ ...report(), runs: [run], badRecords: 1 }) },
      {
        startWorker: async (wanted) => {
          asked.push(wanted);
          return fakeWorker();
        },
        waitForRun: async (...args) => {
          asked.push(args.slice(0, 2));
          return ended;
        },
      },
    );
    const cli = fakeCli(engine);
    expect(await cli.run("dlq", "replay", "--json")).toBe(1);
    expect(asked).toEqual([{ providers: ["cve"] }, ["cve", "cve-replay-1"]]);
    expect(cli.json()).toMatchObject({ done: 1, ended: [{ runId: "cve-replay-1", state: "incomplete" }] });
  });

  test("hands on ids, bounds, and who asks why", async () => {
    const asked: unknown[] = [];
    const engine = engineWith({
      replay: async (selection, options) => {
        asked.push(selection, options);
        return { ...report({ dryRun: true, done: 2 }), runs: [], badRecords: 2 };
      },
    });
    const flags = ["--limit", "2", "--rate", "10/1m", "--dry-run", "--reason", "mended"];
    expect(await fakeCli(engine).run("dlq", "replay", "r-1", "d-2", ...flags)).toBe(0);
    expect(asked[0]).toEqual({ ids: ["r-1", "d-2"] });
    expect(asked[1]).toMatchObject({
      limit: 2,
      rate: { max: 10, windowMs: 60_000 },
      dryRun: true,
      reason: "mended",
    });
    expect((asked[1] as { actor: string }).actor).toMatch(/@/);
  });

  test("takes ids or filters, not both", async () => {
    const cli = fakeCli(engineWith({}));
    expect(await cli.run("dlq", "replay", "r-1", "--provider", "cve")).toBe(2);
    expect(cli.stderr.text).toContain("not by both");
  });

  test("ends 1 when one that is named is not there", async () => {
    const engine = engineWith({
      replay: async () => ({
        ...report({ matched: 0, done: 0, skipped: { gone: 1 } }),
        runs: [],
        badRecords: 1,
      }),
    });
    expect(await fakeCli(engine).run("dlq", "replay", "r-1")).toBe(1);
  });
});

test("uee dlq accept says what it means", async () => {
  const cli = fakeCli(engineWith({ accept: async () => report() }));
  expect(await cli.run("dlq", "accept", "r-abc")).toBe(0);
  expect(cli.stdout.text).toContain("until the upstream sends other content");
});

describe("uee dlq purge", () => {
  const lost = { batches: 2, batchRecords: 4000, records: 1, rawBytes: 12 };

  test("without --yes touches nothing, says what would be lost, and ends 1", async () => {
    const asked: boolean[] = [];
    const engine = engineWith({
      purge: async (_selection, options) => {
        asked.push(options?.dryRun === true);
        return { ...report({ dryRun: options?.dryRun === true, done: 3 }), lost };
      },
    });
    const cli = fakeCli(engine);
    expect(await cli.run("dlq", "purge", "--provider", "cve")).toBe(1);
    expect(asked).toEqual([true]);
    expect(cli.stdout.text).toContain(
      "2 batches of 4,000 records and 1 bad record with 12 B of raw bytes would be lost",
    );
    expect(cli.stderr.text).toContain("--yes");
    expect(await fakeCli(engine).run("dlq", "purge", "--provider", "cve", "--yes")).toBe(0);
    expect(asked).toEqual([true, false]);
  });

  test("of nothing is done without --yes", async () => {
    const engine = engineWith({
      purge: async () => ({
        ...report({ dryRun: true, matched: 0, done: 0, sample: [] }),
        lost: nothingLost,
      }),
    });
    expect(await fakeCli(engine).run("dlq", "purge")).toBe(0);
  });
});
