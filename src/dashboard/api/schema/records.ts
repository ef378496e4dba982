/** Runs, checkpoints, records and the change feed. */
import { z } from "zod";
import type { Checkpoint as EngineCheckpoint } from "../../../engine/api.ts";
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
