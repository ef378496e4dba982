/** Runs, checkpoints, records and the change feed. */
import { z } from "zod";
import type {
  Checkpoint as EngineCheckpoint,
  Trace as EngineTrace,
  FoundRecord,
  TraceEdge,
  TraceNode,
} from "../../../engine/api.ts";
import type { ChangeEntry, StoredRecord as EngineRecord } from "../../../records/contract.ts";
import { fields, isoTime, named, runSchema, shown } from "./common.ts";

export const runsSchema = named("Runs", { runs: z.array(runSchema).describe("The newest first") });
export type Runs = z.output<typeof runsSchema>;

const runStepSchema = named("RunStep", {
  at: isoTime,
  kind: z.enum(["batch", "transition", "breaker"]),
  text: z.string().describe("The batch, or the state that was entered"),
  success: z.boolean().describe("False: the batch was given up"),
  records: z.number().nullable().describe("Of a batch"),
  code: z.string().nullable().describe("Why a batch was given up"),
  ...fields(z.string().nullable(), "actor", "reason"),
  routine: z.boolean().describe("A wait for the rate limit or for a permit, or its end"),
});
export type RunStep = z.output<typeof runStepSchema>;
export const runStorySchema = named("RunStory", {
  run: runSchema,
  previous: runSchema.nullable().describe("The run of the same kind before it"),
  steps: z
    .array(runStepSchema)
    .describe("Batches, transitions and breakers during the run, the newest first"),
  truncated: z.boolean().describe("There were more steps than are kept or shown"),
});
export type RunStory = z.output<typeof runStorySchema>;

const checkpointSchema = shown<EngineCheckpoint>()("Checkpoint", {
  ...fields(z.string(), "urn", "runId", "batch"),
  ...fields(z.number(), "pass", "records"),
  at: isoTime,
  success: z.boolean(),
  error: z.string().nullable().describe("Code of the error"),
});
export const checkpointsSchema = named("Checkpoints", {
  checkpoints: z.array(checkpointSchema).describe("The newest first"),
});
export type Checkpoint = z.output<typeof checkpointSchema>;
export type Checkpoints = z.output<typeof checkpointsSchema>;

export const recordSchema = shown<EngineRecord>()("Record", {
  ...fields(z.string(), "urn", "provider", "id"),
  ...fields(isoTime, "firstSeen", "lastChanged"),
  data: z.record(z.string(), z.unknown()).describe("As the upstream gave it"),
});
export type StoredRecord = z.output<typeof recordSchema>;
export const recordsSchema = z.object({ records: z.array(recordSchema) });

export const searchSchema = named("Search", {
  results: z
    .array(
      shown<FoundRecord>()("FoundRecord", {
        ...fields(z.string(), "urn", "provider", "id"),
        alias: z.string().nullable().describe("T1059.001, where the id is a STIX id"),
        name: z.string().nullable(),
      }),
    )
    .describe("The best match first"),
  complete: z.boolean().describe("False: names are still being read; ask again"),
});
export type Search = z.output<typeof searchSchema>;

const urn = z.string().describe("A URN");
export const traceSchema = shown<EngineTrace>()("Trace", {
  root: urn,
  nodes: z.array(
    shown<TraceNode>()("TraceNode", {
      ...fields(z.string(), "urn", "provider", "id"),
      name: z.string().nullable().describe("Null: the mirror has no such record"),
      alias: z
        .string()
        .nullable()
        .optional()
        .describe("ATT&CK's own id, where the record's is a STIX id; only with `aliases=true`"),
    }),
  ),
  edges: z.array(
    shown<TraceEdge>()("TraceEdge", {
      from: z.string().describe("URN of the record that names the other one"),
      to: urn,
      relation: z.string().describe("In the source's own word where it has one: ChildOf, uses"),
    }),
  ),
  more: z
    .record(z.string(), z.int())
    .describe("URN → how many further records name it, or start at it, than are shown"),
  incomplete: z
    .array(z.string())
    .optional()
    .describe("Providers whose older records are still being indexed: some may be missing"),
});

export type Trace = z.output<typeof traceSchema>;

const changeSchema = shown<ChangeEntry>()("Change", {
  cursor: z.string().describe("Position after this entry"),
  ...fields(z.string(), "provider", "urn", "id"),
  op: z
    .enum(["created", "updated", "removed", "summary"])
    .describe("summary: what a whole run changed, of a provider whose feed names no single record"),
  fields: z.array(z.string()).describe("Top-level fields that changed (updated only)"),
  counts: z
    .object({ created: z.int(), updated: z.int(), removed: z.int() })
    .optional()
    .describe("How many records the run changed (summary only)"),
  at: isoTime,
  runId: z.string(),
});
export type Change = z.output<typeof changeSchema>;
export const recentChangesSchema = named("RecentChanges", {
  changes: z.array(changeSchema).describe("The newest first"),
  complete: z.boolean().describe("All that are kept were looked through"),
});
export type RecentChanges = z.output<typeof recentChangesSchema>;
export const changeDaysSchema = named("ChangeDays", {
  days: z
    .array(
      z.object({
        day: z.string().describe("2026-11-30, UTC"),
        provider: z.string(),
        ...fields(z.number(), "created", "updated", "removed"),
      }),
    )
    .describe("What the runs that are kept changed, by the day on which they ended; the newest first"),
});
export type ChangeDays = z.output<typeof changeDaysSchema>;
export const changesSchema = named("Changes", {
  changes: z.array(changeSchema),
  cursor: z.string().nullable().describe("Pass it as `since` to continue; null while the feed is empty"),
});
