/** Dead letters and the actions on them. */
import { z } from "zod";
import type {
  DeadLetter as EngineDeadLetter,
  DeadLetterPage as EngineDeadLetterPage,
  DeadLetterReport as EngineDeadLetterReport,
  DeadLetterStats as EngineDeadLetterStats,
  PurgeReport as EnginePurgeReport,
  ReplayReport as EngineReplayReport,
} from "../../../recovery/deadLetters/api.ts";
import { fields, isoTime, named, reasonSchema, shown } from "./common.ts";

const deadLetterClassSchema = z.enum(["exhausted", "permanent", "stalled", "bad-record"]);
const deadLetterStateSchema = z
  .enum(["dead", "replaying", "accepted"])
  .describe("dead: waits for a person; replaying: has its new job; accepted: no longer counts");

export const deadLetterSchema = shown<EngineDeadLetter>()("DeadLetter", {
  id: z.string().describe("Stays the same through every replay"),
  provider: z.string(),
  kind: z.enum(["batch", "record", "job"]),
  class: deadLetterClassSchema,
  state: deadLetterStateSchema,
  ...fields(z.string(), "code", "message"),
  subject: z.string().describe("The record's id if it has one, else the batch key"),
  ...fields(z.string(), "runId", "batch"),
  size: z.number().describe("Records that the batch was planned with; 1 for a record"),
  ...fields(z.number(), "attempts", "replays"),
  ...fields(isoTime, "firstFailedAt", "lastFailedAt"),
  rawBytes: z.number().describe("Size of the raw bytes kept; 0 for batches"),
  ...fields(z.string().nullable(), "jobId", "replayRunId"),
  lastAction: z
    .object({
      what: z.enum(["replay", "accept"]),
      actor: z.string(),
      at: isoTime,
      reason: z.string().nullable(),
    })
    .nullable(),
});
export type DeadLetter = z.output<typeof deadLetterSchema>;

export const deadLettersSchema = shown<EngineDeadLetterPage>()("DeadLetters", {
  letters: z.array(deadLetterSchema).describe("The newest failure first"),
  cursor: z.string().nullable().describe("Pass it to read the next page; null at the end"),
});
export type DeadLetters = z.output<typeof deadLettersSchema>;

const counts = z.record(z.string(), z.number());

export const deadLetterStatsSchema = shown<EngineDeadLetterStats>()("DeadLetterStats", {
  total: z.number().describe("Those in the list, and those that wait to enter it"),
  waiting: z.number().describe("Bad records of an open run that enter the list when their jobs have run"),
  byState: z.object({ dead: z.number(), replaying: z.number(), accepted: z.number() }),
  byCode: counts,
  byClass: counts,
  byProvider: counts,
  rawBytes: z.number(),
  ...fields(isoTime.nullable(), "oldest", "newest"),
  ...fields(z.number(), "maxReplays", "meanReplays"),
  caps: z.array(
    z.object({
      provider: z.string(),
      ...fields(z.number(), "entries", "maxEntries", "rawBytes", "maxRawBytes"),
      share: z.number().describe("The greater of both shares; 1 = full"),
      level: z.enum(["ok", "near", "full"]).describe("full: the provider pauses with the next letter"),
    }),
  ),
});
export type DeadLetterStats = z.output<typeof deadLetterStatsSchema>;

/** All given conditions must match. */
const filterFields = {
  provider: z.string().max(64).optional(),
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{1,63}$/, "must be a code such as VAL_RECORD_ID")
    .optional(),
  class: deadLetterClassSchema.optional(),
  state: deadLetterStateSchema.optional(),
};

export const deadLetterQuerySchema = z.object({
  ...filterFields,
  olderThanMs: z.coerce.number().int().min(0).optional().describe("By its last failure"),
  newerThanMs: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(1_000).optional().describe("From the page before"),
  text: z
    .string()
    .max(200)
    .optional()
    .describe(
      "Part of the subject, code, message or run id. A page may hold fewer than `limit`; its cursor goes on",
    ),
});

export const deadLetterGroupsSchema = named("DeadLetterGroups", {
  groups: z
    .array(
      z.object({
        ...fields(z.string(), "provider", "code"),
        count: z.number().describe("All of this code"),
        kinds: z.array(z.enum(["batch", "record", "job"])),
        fields: z
          .array(z.object({ field: z.string(), count: z.number() }))
          .describe("Fields that the messages name, of those looked at"),
        looked: z.number().describe("How many of the newest were looked at"),
        ...fields(isoTime.nullable(), "oldest", "newest"),
        example: deadLetterSchema.nullable(),
      }),
    )
    .describe("The largest first"),
});
export type DeadLetterGroups = z.output<typeof deadLetterGroupsSchema>;

const ageMs = z.number().int().min(0).optional();

/** Either dead letter ids or a filter is required: an empty request changes nothing. */
export const deadLetterActionSchema = z
  .strictObject({
    ids: z.array(z.string().min(1).max(200)).min(1).max(1_000).optional(),
    filter: z
      .strictObject({ ...filterFields, ...fields(ageMs, "olderThanMs", "newerThanMs") })
      .optional()
      .describe("{} names all letters"),
    dryRun: z.boolean().default(false).describe("Only report what would be done"),
    limit: z.number().int().min(1).max(10_000).default(1_000).describe("At most so many letters"),
    reason: reasonSchema,
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), {
    path: ["ids"],
    message: "give either ids or a filter",
  })
  .meta({ id: "DeadLetterRequest" });
export type DeadLetterRequest = z.input<typeof deadLetterActionSchema>;

const reportFields = {
  dryRun: z.boolean(),
  ...fields(z.number(), "matched", "done"),
  skipped: counts.describe("Unchanged, by reason"),
  sample: z.array(deadLetterSchema).describe("A few of those done"),
};

export const deadLetterReportSchema = shown<EngineDeadLetterReport>()("DeadLetterReport", reportFields);

export const replayReportSchema = shown<EngineReplayReport>()("ReplayReport", {
  ...reportFields,
  runs: z.array(
    z.object({
      ...fields(z.string(), "provider", "runId"),
      letters: z.number(),
      waitingFor: z.string().nullable().describe("What keeps the run from starting now"),
    }),
  ),
  badRecords: z
    .number()
    .describe("Bad records among them: read again from their kept bytes, the upstream is not asked"),
});
export type ReplayReport = z.output<typeof replayReportSchema>;

export const purgeReportSchema = shown<EnginePurgeReport>()("PurgeReport", {
  ...reportFields,
  lost: z
    .object(fields(z.number(), "batches", "batchRecords", "records", "rawBytes"))
    .describe("Dead letters that can no longer be replayed"),
});
export type PurgeReport = z.output<typeof purgeReportSchema>;
