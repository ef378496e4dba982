/** Runs, checkpoints, records and the change feed. */
import { z } from "zod";
import type { Checkpoint as EngineCheckpoint, Trace, TraceEdge, TraceNode } from "../../../engine/api.ts";
import type { ChangeEntry, StoredRecord } from "../../../records/contract.ts";
import { fields, isoTime, named, runSchema, shown } from "./common.ts";

export const runsSchema = named("Runs", { runs: z.array(runSchema).describe("The newest first") });
export type Runs = z.output<typeof runsSchema>;

export const checkpointSchema = shown<EngineCheckpoint>()("Checkpoint", {
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

export const recordSchema = shown<StoredRecord>()("Record", {
  ...fields(z.string(), "urn", "provider", "id"),
  ...fields(isoTime, "firstSeen", "lastChanged"),
  data: z.record(z.string(), z.unknown()).describe("As the upstream gave it"),
});
export const recordsSchema = z.object({ records: z.array(recordSchema) });

const urn = z.string().describe("A URN");
export const traceSchema = shown<Trace>()("Trace", {
  root: urn,
  nodes: z.array(
    shown<TraceNode>()("TraceNode", {
      ...fields(z.string(), "urn", "provider", "id"),
      name: z.string().nullable().describe("Null: the mirror has no such record"),
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

export const changeSchema = shown<ChangeEntry>()("Change", {
  cursor: z.string().describe("Position after this entry"),
  ...fields(z.string(), "provider", "urn", "id"),
  op: z
    .enum(["created", "updated", "removed", "summary"])
    .describe("summary: what a whole run changed, of a provider whose feed tells of no single record"),
  fields: z.array(z.string()).describe("Top-level fields that changed (updated only)"),
  counts: z
    .object({ created: z.int(), updated: z.int(), removed: z.int() })
    .optional()
    .describe("How many records the run changed (summary only)"),
  at: isoTime,
  runId: z.string(),
});
export const changesSchema = named("Changes", {
  changes: z.array(changeSchema),
  cursor: z.string().nullable().describe("Pass it as `since` to continue; null while the feed is empty"),
});
