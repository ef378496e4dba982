/**
 * Deliberate breaks: each takes one safeguard away, in a copy of the sources, and must be caught. A text that is no longer
 * there fails loudly: a mutant that changes nothing proves nothing.
 */

export type Catcher =
  /** A hunt that must breach one of these laws. */
  | { hunt: { seed: number; minutes: number; mode?: "failover" }; laws: readonly number[] }
  /** A test file of which a test must fail; `only` is a pattern for titles. */
  | { test: string; only?: string };

export interface Mutant {
  name: string;
  /** The law that it breaks. */
  law: number;
  edits: readonly { file: string; find: string; replace: string }[];
  /** Tried in this order, until one catches it. */
  caughtBy: readonly Catcher[];
}

export const mutants: readonly Mutant[] = [
  {
    name: "fence check removed",
    law: 2,
    edits: [
      {
        file: "src/records/lua/fence.lua",
        find: "if redis.call('HGET', KEYS[2], batch) ~= fence then",
        replace: "if false then",
      },
      {
        file: "src/recovery/lua/checkFence.lua",
        find: 'if redis.call("HGET", fencesKey, batchKey) ~= fence then',
        replace: "if false then",
      },
    ],
    caughtBy: [
      { test: "test/integration/records/commit.test.ts" },
      { test: "test/faults/zombieWorker.test.ts" },
    ],
  },
  {
    name: "checkpoint before commit",
    law: 3,
    edits: [
      {
        file: "src/workers/runBatch.ts",
        find: "  await intake.take(extracted.records, extracted.fetchedAt);\n  const more = toEntries",
        replace: "  const more = toEntries",
      },
      {
        file: "src/workers/runBatch.ts",
        find: '  context.onStep("checkpoint", "after", job.batch);\n',
        replace:
          '  await intake.take(extracted.records, extracted.fetchedAt);\n  context.onStep("checkpoint", "after", job.batch);\n',
      },
    ],
    caughtBy: [{ hunt: { seed: 1, minutes: 0.2 }, laws: [2, 3] }],
  },
  {
    name: "release without owner check",
    law: 4,
    edits: [
      {
        file: "src/permits/lua/release-1.lua",
        find: "if p == ARGV[4] and fence == ARGV[3] then",
        replace: "if p == ARGV[4] then",
      },
      {
        file: "src/permits/lua/release-1.lua",
        find: "if held and (fence == 0 or held.fence == fence) then",
        replace: "if held then",
      },
    ],
    caughtBy: [{ test: "test/integration/permits/pool.test.ts" }],
  },
  {
    name: "verify skipped",
    law: 1,
    edits: [
      {
        file: "src/providers/cve/verify.ts",
        find: "  const all = groups(input);\n  const main",
        replace:
          '  if (input.pass > 0) return { kind: "verified", watermark: watermarkOf(input) };\n  const all = groups(input);\n  const main',
      },
    ],
    caughtBy: [{ test: "test/integration/cveRun.test.ts" }, { test: "test/faults/upstreamFaults.test.ts" }],
  },
  {
    name: "rate slot freed early",
    law: 7,
    edits: [
      {
        file: "src/upstream/lua/sent-1.lua",
        find: "tonumber(time[2]) + tonumber(ARGV[2])",
        replace: "tonumber(time[2]) + tonumber(ARGV[2]) / 4",
      },
    ],
    caughtBy: [
      { hunt: { seed: 3, minutes: 0.4 }, laws: [7] },
      { test: "test/integration/upstream/limit.test.ts" },
    ],
  },
  {
    name: "retention on failed sets",
    law: 5,
    edits: [
      {
        file: "src/queues/jobCatalog.ts",
        find: "  removeOnComplete: { count: 200 },\n  removeOnFail: false,",
        replace: "  removeOnComplete: { count: 200 },\n  removeOnFail: { count: 1 },",
      },
    ],
    caughtBy: [{ test: "test/integration/badRecords.test.ts" }],
  },
  {
    name: "replay in the wrong order: the letter goes before its batch is committed",
    law: 5,
    edits: [
      {
        file: "src/workers/replays.ts",
        find: "taken.map(async ({ letter }) => {\n      if (letter.jobId",
        replace:
          "taken.map(async ({ letter, runId, key }) => {\n      await context.letters.settle(letter, { runId, key });\n      if (letter.jobId",
      },
    ],
    caughtBy: [{ test: "test/integration/deadLetters" }],
  },
  {
    name: "a replay may write what is older than the store",
    law: 2,
    edits: [
      {
        file: "src/workers/replayed.ts",
        find: "  if (fetchedAt >= newestFetch) return;\n",
        replace: "  if (fetchedAt >= newestFetch || fetchedAt > 0) return;\n",
      },
      {
        file: "src/workers/replayed.ts",
        find: 'return later > record.fetchedAt ? "a newer',
        replace: 'return later < 0 ? "a newer',
      },
    ],
    caughtBy: [{ test: "test/integration/deadLetters" }],
  },
  {
    name: "pause ignored by the schedule",
    law: 8,
    edits: [
      {
        file: "src/workers/openGoverned.ts",
        find: "  await governor.refuseIfPaused();\n",
        replace: '  if (request.actor.kind !== "schedule") await governor.refuseIfPaused();\n',
      },
    ],
    caughtBy: [{ test: "test/faults/pausedThroughSchedule.test.ts" }],
  },
  {
    name: "watermark moved by a run that is not verified",
    law: 3,
    edits: [
      {
        file: "src/workers/finishRun.ts",
        find: "  if (!verdict.verified) return {};\n",
        replace: "",
      },
      {
        file: "src/workers/finishRun.ts",
        find: "if (verdict.watermark !== null) meta.watermark = verdict.watermark;",
        replace: "meta.watermark = verdict.watermark ?? run.startedAt;",
      },
    ],
    caughtBy: [{ test: "test/integration/deadLetters/replay.test.ts" }],
  },
  {
    name: "removal without the shrink guard",
    law: 1,
    edits: [
      {
        file: "src/workers/finishRun.ts",
        find: "candidates > live * SHRINK_SHARE && !run.allowShrink",
        replace: "candidates < 0",
      },
    ],
    caughtBy: [{ test: "test/integration/cveRun.test.ts" }],
  },
  {
    name: "an older version may replace a newer one",
    law: 2,
    edits: [
      {
        file: "src/records/staleness.ts",
        find: '    if (incoming.lastModified > stored.lastModified) return "newer";\n    return fetchedEarlier ? "stale" : "regressed";',
        replace: '    return "newer";',
      },
    ],
    caughtBy: [{ test: "test/integration/records/commit.test.ts" }],
  },
  {
    name: "a closed run's door stands open",
    law: 2,
    edits: [
      {
        file: "src/records/lua/fence.lua",
        find: "if redis.call('HGET', KEYS[1], 'state') ~= wanted_state then",
        replace: "if false then",
      },
    ],
    caughtBy: [
      { test: "test/integration/records/commit.test.ts" },
      { test: "test/faults/zombieWorker.test.ts" },
    ],
  },
  {
    name: "a Redis that forgot grants at once",
    law: 4,
    edits: [
      {
        file: "src/permits/lua/restart.lua",
        find: "if from + LIFE > pool.holdUntil then",
        replace: "if false then",
      },
    ],
    caughtBy: [
      { test: "test/integration/permits/pool.test.ts" },
      { test: "test/integration/permits/trouble.test.ts" },
    ],
  },
  {
    name: "anybody may resume",
    law: 8,
    edits: [
      {
        file: "src/machines/lua/transition.lua",
        find: 'if step.by == "person" and request.kind ~= "person" then',
        replace: "if false then",
      },
    ],
    caughtBy: [
      { test: "test/integration/machines/requests.test.ts" },
      { test: "test/integration/machines/model.test.ts" },
    ],
  },
  {
    name: "a repeated batch counts its records twice",
    law: 10,
    edits: [
      {
        file: "src/records/lua/seen.lua",
        find: "    if code ~= old_code then",
        replace: "    count(COUNTER[code], 1)\n    if code ~= old_code then",
      },
    ],
    caughtBy: [
      { hunt: { seed: 3, minutes: 0.4 }, laws: [10] },
      { test: "test/integration/records/commit.test.ts" },
    ],
  },
  {
    name: "the key stands in a log line",
    law: 9,
    edits: [
      {
        file: "src/upstream/open.ts",
        find: 'context.logger.warn({ event: "upstream_wait", ...facts }',
        replace:
          'context.logger.warn({ event: "upstream_wait", ...facts, sent: JSON.stringify(hop.headers) }',
      },
    ],
    caughtBy: [{ hunt: { seed: 3, minutes: 0.5 }, laws: [9] }],
  },
  {
    name: "the reconciler mends nothing",
    law: 5,
    edits: [
      {
        file: "src/recovery/reconciler.ts",
        find: "    const runId = await this.#runs.openRunId();\n    if (runId === null) return [];",
        replace:
          "    const runId = await this.#runs.openRunId();\n    if (runId === null || runId !== '') return [];",
      },
    ],
    caughtBy: [{ test: "test/faults/killedAnywhere.test.ts", only: "checkpoint" }],
  },
];
