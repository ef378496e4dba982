/** Shared parts of the answers. An unknown value is null; a field is omitted only where its schema says so. */
import { z } from "zod";
import type {
  MachineStatus as EngineMachineStatus,
  RunProgress as EngineRunProgress,
} from "../../../engine/api.ts";

/** Both types must be assignable to each other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Compares a schema with the engine's type: a missing, extra or differently typed field does not compile. */
export const shows =
  <Shown>() =>
  <Schema extends z.ZodType>(schema: Same<z.output<Schema>, Shown> extends true ? Schema : never): Schema =>
    schema;

/** ISO 8601, UTC. */
export const isoTime = z.string().describe("ISO 8601 time, UTC");

export const errorSchema = z
  .object({
    code: z.string().describe("Code of the error catalog; match on it, never on the text"),
    message: z.string(),
    remedy: z.string().describe("What a person can do about it"),
    state: z.string().optional().describe("409: the state that refused"),
    allowed: z.array(z.string()).optional().describe("409: the states that would allow the action"),
    runId: z.string().nullable().optional().describe("409: the run that is open"),
    fields: z
      .array(z.object({ field: z.string(), problem: z.string() }))
      .optional()
      .describe("400: what is wrong with which value"),
    retryAfterMs: z.number().optional().describe("429, 503: when to ask again"),
    removed: z
      .object({ urn: z.string(), id: z.string(), removedAt: isoTime, reason: z.string(), runId: z.string() })
      .optional()
      .describe("410: when and why the record was removed"),
  })
  .meta({ id: "Error", description: "Every answer that is not a success" });
export type ApiError = z.output<typeof errorSchema>;

export const machineStatusSchema = shows<EngineMachineStatus>()(
  z
    .object({
      state: z.string(),
      since: isoTime.nullable(),
      reason: z.string().nullable(),
      actor: z.string().nullable().describe("Actor of the transition"),
      until: isoTime.nullable().describe("End of a wait"),
      remainingMs: z.number().describe("Remaining wait, ms"),
      version: z.number().describe("Counts the machine's transitions"),
    })
    .meta({ id: "MachineStatus" }),
);
export type MachineStatus = z.output<typeof machineStatusSchema>;

export const runStateSchema = z.enum(["running", "complete", "incomplete", "paused", "stopped", "failed"]);
export const runModeSchema = z.enum(["incremental", "full"]);

export const runSchema = shows<EngineRunProgress>()(
  z
    .object({
      provider: z.string(),
      runId: z.string(),
      kind: z.enum(["ordinary", "replay"]).describe("replay: dead letters of closed runs, tried again"),
      mode: runModeSchema,
      state: runStateSchema,
      phase: z.enum(["planning", "loading", "removing", "verifying", "closed"]),
      pass: z.number(),
      expected: z
        .number()
        .nullable()
        .describe("Records expected in this pass; null before the upstream has said"),
      fetched: z.number().describe("Unique ids received"),
      created: z.number(),
      updated: z.number(),
      unchanged: z.number(),
      removed: z.number(),
      deadLettered: z.number(),
      accepted: z.number().describe("Bad records that an operator has accepted"),
      requests: z.number(),
      batches: z.number(),
      batchesDone: z.number(),
      batchesPlanned: z.number(),
      actor: z.string().describe("Who opened it"),
      reason: z.string().nullable().describe("Why, where that was said"),
      startedAt: isoTime,
      endedAt: isoTime.nullable(),
      durationMs: z.number(),
      checkpoint: z.string().nullable().describe("URN up to which everything is committed"),
      watermark: z.string().nullable(),
      waiting: z.object({ reason: z.string(), until: isoTime }).nullable(),
      retrying: z
        .array(
          z.object({
            batch: z.string(),
            code: z.string(),
            message: z.string(),
            attempt: z.number().describe("Number of the failed attempt, from 1"),
            attempts: z.number().describe("After the last attempt the batch is a dead letter"),
            nextAt: isoTime.describe("In the past while the next attempt waits for its turn or is under way"),
          }),
        )
        .describe("Failed batches that are retried, the next one first; at most 20"),
      error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
    })
    .meta({ id: "Run" }),
);
export type Run = z.output<typeof runSchema>;

/** Actions on a provider, by the names of buttons and routes. */
export const actionSchema = z.enum(["start", "pause", "resume", "stop"]);
export type Action = z.output<typeof actionSchema>;

/** The reason of a request. */
export const reasonSchema = z.string().trim().max(500).optional().describe("Why; kept with the action");

/** `?limit=` with its bounds. */
export const limitQuery = (most: number, usual: number) =>
  z.coerce
    .number()
    .int()
    .min(1)
    .max(most)
    .default(usual)
    .describe(`Maximum number of entries, newest first; up to ${most}`);
