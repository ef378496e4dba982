/** Runs, checkpoints, records and the change feed. */
import { z } from "zod";
import type { Checkpoint as EngineCheckpoint } from "../../../engine/api.ts";
import type { ChangeEntry, StoredRecord } from "../../../records/contract.ts";
import { isoTime, runSchema, shows } from "./common.ts";

export const runsSchema = z
  .object({ runs: z.array(runSchema).describe("The newest first") })
  .meta({ id: "Runs" });
export type Runs = z.output<typeof runsSchema>;

export const checkpointSchema = shows<EngineCheckpoint>()(
  z
    .object({
      urn: z.string(),
      runId: z.string(),
      batch: z.string(),
      pass: z.number(),
      records: z.number(),
      at: isoTime,
      success: z.boolean(),
      error: z.string().nullable().describe("Code of the error"),
    })
    .meta({ id: "Checkpoint" }),
);
export const checkpointsSchema = z
  .object({ checkpoints: z.array(checkpointSchema).describe("The newest first") })
  .meta({ id: "Checkpoints" });
export type Checkpoint = z.output<typeof checkpointSchema>;
export type Checkpoints = z.output<typeof checkpointsSchema>;

export const recordSchema = z
  .object({
    urn: z.string(),
    provider: z.string(),
    id: z.string(),
    firstSeen: isoTime,
    lastChanged: isoTime,
    data: z.record(z.string(), z.unknown()).describe("As the upstream gave it"),
  })
  .meta({ id: "Record" });
export type StoredRecordAnswer = z.output<typeof recordSchema>;
/** The answer has exactly the engine's fields. */
export const recordFields = recordSchema.keyof().options satisfies readonly (keyof StoredRecord)[];

export const changeSchema = shows<ChangeEntry>()(
  z
    .object({
      cursor: z.string().describe("Position after this entry"),
      provider: z.string(),
      urn: z.string(),
      id: z.string(),
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
    })
    .meta({ id: "Change" }),
);
export const changesSchema = z
  .object({
    changes: z.array(changeSchema),
    cursor: z.string().nullable().describe("Pass it as `since` to continue; null while the feed is empty"),
  })
  .meta({ id: "Changes" });
export type Change = z.output<typeof changeSchema>;
export type Changes = z.output<typeof changesSchema>;
