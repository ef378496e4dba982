/**
 * Deliberate breaks: each takes one safeguard away, in a copy of the sources, and must be caught. The safeguards are marked
 * in the sources (safeguards.ts); a mark that is missing fails the unit tests.
 */
import type { Edit } from "./safeguards.ts";

export type Catcher =
  /** A hunt that must breach one of these laws. */
  | { hunt: { seed: number; minutes: number; mode?: "failover" }; laws: readonly number[] }
  /** A test file of which a test must fail; `only` is a pattern for titles. */
  | { test: string; only?: string };

export interface Mutant {
  name: string;
  /** The law that it breaks. */
  law: number;
  edits: readonly Edit[];
  /** Tried in this order, until one catches it. */
  caughtBy: readonly Catcher[];
}

export const mutants: readonly Mutant[] = [
  {
    name: "fence check removed",
    law: 2,
    edits: [
      { at: "commit-fence", condition: "false" },
      { at: "checkpoint-fence", condition: "false" },
    ],
    caughtBy: [
      { test: "test/integration/records/commit.test.ts" },
      { test: "test/faults/zombieWorker.test.ts" },
    ],
  },
  {
    name: "checkpoint before commit",
    law: 3,
    edits: [{ at: "commit-before-checkpoint", moveAfter: "checkpoint" }],
    caughtBy: [{ hunt: { seed: 1, minutes: 0.2 }, laws: [2, 3] }],
  },
  {
    name: "release without owner check",
    law: 4,
    edits: [{ at: "release-owner", condition: "$1" }],
    caughtBy: [{ test: "test/integration/permits/pool.test.ts" }],
  },
  {
    name: "verify skipped",
    law: 1,
    edits: [
      { at: "increment-total-moved", condition: "false" },
      { at: "increment-count", condition: "false" },
      { at: "full-total-fell", condition: "false" },
      { at: "full-count", condition: "false" },
    ],
    caughtBy: [{ test: "test/integration/cveRun.test.ts" }, { test: "test/faults/upstreamFaults.test.ts" }],
  },
  {
    name: "rate slot freed early",
    law: 7,
    edits: [{ at: "rate-window", value: "($) / 4" }],
    caughtBy: [
      { hunt: { seed: 3, minutes: 0.4 }, laws: [7] },
      { test: "test/integration/upstream/limit.test.ts" },
    ],
  },
  {
    name: "fetch times by Redis' clock alone",
    law: 2,
    edits: [{ at: "clock-only-grows", value: "nowUs()" }],
    caughtBy: [
      { test: "test/integration/redisClock.test.ts" },
      { test: "test/integration/clockBack.test.ts" },
    ],
  },
  {
    name: "a lease from before the clock went back holds for the size of the step",
    law: 4,
    edits: [{ at: "leases-clamped", condition: "false" }],
    caughtBy: [{ test: "test/integration/permits/pool.test.ts" }],
  },
  {
    name: "a slot from before the clock went back holds for the size of the step",
    law: 4,
    edits: [{ at: "slots-clamped", statement: "" }],
    caughtBy: [{ test: "test/integration/clockBack.test.ts" }],
  },
  {
    name: "retention on failed sets",
    law: 5,
    edits: [{ at: "failed-sets-kept", value: "{ count: 1 }" }],
    caughtBy: [{ test: "test/integration/badRecords.test.ts" }],
  },
  {
    name: "replay in the wrong order: the dead letter is removed before its batch is committed",
    law: 5,
    edits: [
      {
        at: "letter-outlives-its-replay",
        statement: "await kind.committed();\n  $",
      },
    ],
    caughtBy: [{ test: "test/integration/deadLetters" }],
  },
  {
    name: "a replay may write what is older than the store",
    law: 2,
    edits: [
      { at: "replay-slice-outdated", condition: "true" },
      { at: "replay-record-outdated", value: "undefined" },
    ],
    caughtBy: [{ test: "test/integration/deadLetters" }],
  },
  {
    name: "pause ignored by the schedule",
    law: 8,
    edits: [{ at: "pause-refuses-runs", statement: "" }],
    caughtBy: [{ test: "test/faults/pausedThroughSchedule.test.ts" }],
  },
  {
    name: "watermark moved by a run that is not verified",
    law: 3,
    edits: [
      { at: "only-verified-moves", condition: "false" },
      { at: "watermark-verified", condition: "true" },
      { at: "watermark-verified", value: "($) ?? new Date().toISOString()" },
    ],
    caughtBy: [{ test: "test/integration/deadLetters/replay.test.ts" }],
  },
  {
    name: "watermark beyond the run's own start",
    law: 3,
    edits: [{ at: "watermark-before-start", condition: "false" }],
    caughtBy: [{ test: "test/integration/cveListings.test.ts", only: "lowered to the run's start" }],
  },
  {
    name: "a plan of any size",
    law: 5,
    edits: [
      { at: "plan-cap-batches", condition: "false" },
      { at: "plan-cap-run", condition: "false" },
    ],
    caughtBy: [{ test: "test/integration/planLimits.test.ts" }],
  },
  {
    name: "a record that is counted and not served is no hole",
    law: 1,
    edits: [
      { at: "holes", condition: "false" },
      { at: "full-count", condition: "false" },
    ],
    caughtBy: [{ test: "test/integration/cveListings.test.ts", only: "counted and never served" }],
  },
  {
    name: "a bundle with a byte that counts for nothing is accepted",
    law: 1,
    edits: [{ at: "bundle-form", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "every byte" }],
  },
  {
    name: "a manifest that is not what its digest names is accepted",
    law: 1,
    edits: [{ at: "bundle-manifest-digest", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "every byte" }],
  },
  {
    name: "a file of a bundle that is not what the manifest names is accepted",
    law: 1,
    edits: [{ at: "bundle-file-digest", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "every byte" }],
  },
  {
    name: "a signature is not verified",
    law: 1,
    edits: [{ at: "bundle-signature", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "every byte" }],
  },
  {
    name: "a bundle that another key signed is accepted",
    law: 1,
    edits: [{ at: "bundle-other-key", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "a signature" }],
  },
  {
    name: "a bundle whose records are not those that it counts is loaded",
    law: 1,
    edits: [{ at: "bundle-record-digest", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "made again" }],
  },
  {
    name: "a bundle that was exchanged since it was checked is read",
    law: 1,
    edits: [{ at: "bundle-unchanged", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "exchanged" }],
  },
  {
    name: "a bundle mixes two moments",
    law: 1,
    edits: [{ at: "bundle-of-one-moment", condition: "true" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "one moment" }],
  },
  {
    name: "a bundle older than the store is loaded",
    law: 2,
    edits: [{ at: "bundle-older", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "an older bundle" }],
  },
  {
    name: "a delta is loaded over records that it does not continue",
    law: 1,
    edits: [{ at: "bundle-base", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "a delta is refused" }],
  },
  {
    name: "a run opens over slices that were staged before another run",
    law: 2,
    edits: [{ at: "prepared-run-nothing-between", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "between staging and opening" }],
  },
  {
    name: "a load that left newer records ends complete",
    law: 2,
    edits: [{ at: "bundle-regressed", condition: "false" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "newer than the bundle" }],
  },
  {
    name: "the lines of a bundle are loaded unchecked",
    law: 1,
    edits: [{ at: "bundle-verified-first", statement: "" }],
    caughtBy: [{ test: "test/integration/outlets/bundle.test.ts", only: "made again" }],
  },
  {
    name: "a year feed that contradicts its .meta or itself is used",
    law: 1,
    edits: [
      { at: "feed-sha256", condition: "false" },
      { at: "feed-total", condition: "false" },
    ],
    caughtBy: [{ test: "test/integration/feeds.test.ts", only: "feed-sha" }],
  },
  {
    name: "a refused year feed counts as read",
    law: 1,
    edits: [
      { at: "feed-refused", condition: "false" },
      { at: "feeds-count", condition: "false" },
    ],
    caughtBy: [{ test: "test/integration/feeds.test.ts", only: "the feeds suffer from" }],
  },
  {
    name: "removal without the shrink guard",
    law: 1,
    edits: [{ at: "shrink-guard", condition: "false" }],
    caughtBy: [{ test: "test/integration/cveRun.test.ts" }],
  },
  {
    name: "a copy of a record that only an unread file has counts as stored",
    law: 1,
    edits: [{ at: "unread-copy", condition: "false" }],
    caughtBy: [{ test: "test/integration/keptFiles.test.ts", only: "takes its place" }],
  },
  {
    name: "the change key outlives a run's first write",
    law: 1,
    edits: [
      { at: "first-write-drops-key", statement: "" },
      { at: "removal-drops-key", statement: "" },
    ],
    caughtBy: [{ test: "test/integration/editions.test.ts" }],
  },
  {
    name: "'not modified' counts without a change key",
    law: 1,
    edits: [{ at: "not-modified-needs-key", condition: "true" }],
    caughtBy: [{ test: "test/integration/editions.test.ts" }],
  },
  {
    name: "an older edition is accepted",
    law: 1,
    edits: [{ at: "older-edition-refused", condition: "true" }],
    caughtBy: [{ test: "test/integration/editions.test.ts" }],
  },
  {
    name: "an upstream's address stands in the run's hash",
    law: 9,
    edits: [{ at: "address-as-fingerprint", value: 'provider.version + " " + url' }],
    caughtBy: [{ test: "test/integration/secretsInRedis.test.ts" }],
  },
  {
    name: "an older version may replace a newer one",
    law: 2,
    edits: [{ at: "older-never-replaces", condition: "true" }],
    caughtBy: [{ test: "test/integration/records/commit.test.ts" }],
  },
  {
    name: "a closed run accepts writes",
    law: 2,
    edits: [{ at: "closed-run", condition: "false" }],
    caughtBy: [
      { test: "test/integration/records/commit.test.ts" },
      { test: "test/faults/zombieWorker.test.ts" },
    ],
  },
  {
    name: "a Redis that forgot grants at once",
    law: 4,
    edits: [{ at: "restart-hold", condition: "false" }],
    caughtBy: [
      { test: "test/integration/permits/pool.test.ts" },
      { test: "test/integration/permits/trouble.test.ts" },
    ],
  },
  {
    name: "any actor may resume",
    law: 8,
    edits: [{ at: "person-only", condition: "false" }],
    caughtBy: [
      { test: "test/integration/machines/requests.test.ts" },
      { test: "test/integration/machines/model.test.ts" },
    ],
  },
  {
    name: "a repeated batch counts its records twice",
    law: 10,
    edits: [
      { at: "counted-once", condition: "true" },
      { at: "counted-once-take-back", statement: "" },
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
        at: "no-secret-logged",
        value: '{ ...($), sent: process.getBuiltinModule("util").inspect(arguments, { depth: 5 }) }',
      },
    ],
    caughtBy: [{ hunt: { seed: 3, minutes: 0.5 }, laws: [9] }],
  },
  {
    name: "the reconciler mends nothing",
    law: 5,
    edits: [{ at: "reconciler-open-run", condition: "true" }],
    caughtBy: [{ test: "test/faults/killedAnywhere.test.ts", only: "checkpoint" }],
  },
  {
    name: "deaths of a batch's processes not counted",
    law: 5,
    edits: [{ at: "death-counted", condition: "false" }],
    caughtBy: [{ test: "test/faults/batchKillsWorker.test.ts", only: "three times" }],
  },
  {
    name: "a dead letter settles that no run has covered",
    law: 5,
    edits: [{ at: "covered-letter", condition: "true" }],
    caughtBy: [{ test: "test/integration/deadLetters/covered.test.ts" }],
  },
  {
    name: "bad records that the last pass did not meet still count",
    law: 5,
    edits: [{ at: "unmet-forgotten", statement: "" }],
    caughtBy: [{ test: "test/integration/deadLetters/covered.test.ts", only: "no id" }],
  },
  {
    name: "every service reports a problem",
    law: 10,
    edits: [{ at: "webhook-told-once", condition: "false" }],
    caughtBy: [{ test: "test/integration/webhook.test.ts", only: "once, although" }],
  },
];
