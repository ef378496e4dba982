/** Shared parts of the answers, the requests for actions, and the login. An unknown value is null; a field is omitted only where its schema says so. */
import { z } from "zod";
import type {
  MachineStatus as EngineMachineStatus,
  RunProgress as EngineRunProgress,
} from "../../../engine/api.ts";

/** Both types must be assignable to each other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** A named schema of an object. */
export const named = <Shape extends z.ZodRawShape>(id: string, shape: Shape) => z.object(shape).meta({ id });

/** The same for a type of the engine: a missing, extra or differently typed field does not compile. */
export const shown =
  <Shown>() =>
  <Shape extends z.ZodRawShape>(
    id: string,
    shape: Same<z.output<z.ZodObject<Shape>>, Shown> extends true ? Shape : never,
  ) =>
    named(id, shape);

/** Several fields of one type. */
export const fields = <Type extends z.ZodType, Name extends string>(type: Type, ...names: Name[]) =>
  Object.fromEntries(names.map((name) => [name, type])) as Record<Name, Type>;

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

export const machineStatusSchema = shown<EngineMachineStatus>()("MachineStatus", {
  state: z.string(),
  since: isoTime.nullable(),
  reason: z.string().nullable(),
  actor: z.string().nullable().describe("Actor of the transition"),
  until: isoTime.nullable().describe("End of a wait"),
  remainingMs: z.number().describe("Remaining wait, ms"),
  version: z.number().describe("Counts the machine's transitions"),
});

const runStateSchema = z.enum(["running", "complete", "incomplete", "paused", "stopped", "failed"]);
export const runModeSchema = z.enum(["incremental", "full", "reconcile"]);

export const reconciledSchema = named("Reconciled", {
  at: isoTime.describe("End of the comparison"),
  asOf: isoTime.describe("When the feeds were made"),
  runId: z.string(),
  repair: z.boolean(),
  ...fields(z.number(), "checked", "equal"),
  newer: z.number().describe("Modified after the feeds were made"),
  ...fields(z.number(), "stale", "missing", "extra", "repaired", "unexplained"),
  feeds: z.array(z.object({ ...fields(z.string(), "name", "sha256", "lastModified"), records: z.number() })),
});

export const runSchema = shown<EngineRunProgress>()("Run", {
  ...fields(z.string(), "provider", "runId"),
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
  ...fields(z.number(), "created", "updated", "unchanged", "removed", "deadLettered"),
  accepted: z.number().describe("Bad records that an operator has accepted"),
  ...fields(z.number(), "requests", "batches", "batchesDone", "batchesPlanned"),
  actor: z.string().describe("Who opened it"),
  reason: z.string().nullable().describe("Why, where that was said"),
  startedAt: isoTime,
  endedAt: isoTime.nullable(),
  durationMs: z.number(),
  checkpoint: z.string().nullable().describe("URN up to which everything is committed"),
  watermark: z.string().nullable(),
  reconciled: reconciledSchema
    .nullable()
    .describe("What a reconciliation found; null before its end and in other runs"),
  note: z.string().nullable().describe("How it went on otherwise than planned, e.g. without the year feeds"),
  waiting: z.object({ reason: z.string(), until: isoTime }).nullable(),
  retrying: z
    .array(
      z.object({
        ...fields(z.string(), "batch", "code", "message"),
        attempt: z.number().describe("Number of the failed attempt, from 1"),
        attempts: z.number().describe("After the last attempt the batch is a dead letter"),
        nextAt: isoTime.describe("In the past while the next attempt waits for its turn or is under way"),
      }),
    )
    .describe("Failed batches that are retried, the next one first; at most 20"),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
});
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

export const startBodySchema = z
  .strictObject({
    mode: runModeSchema.default("incremental"),
    allowShrink: z
      .boolean()
      .default(false)
      .describe("Remove records even if the upstream lost suspiciously many"),
    allowOlder: z
      .boolean()
      .default(false)
      .describe("Accept a catalogue that is older than the edition in the store"),
    reason: reasonSchema,
  })
  .meta({ id: "StartRequest" });
export type StartRequest = z.input<typeof startBodySchema>;

export const reasonBodySchema = z.strictObject({ reason: reasonSchema }).meta({ id: "ActionRequest" });

export const startedSchema = named("Started", {
  runId: z.string(),
  joined: z.boolean().describe("A run was open already"),
  mode: runModeSchema,
});
export type Started = z.output<typeof startedSchema>;

export const acceptedSchema = named("Accepted", { machine: machineStatusSchema });
export type Accepted = z.output<typeof acceptedSchema>;

export const resizeBodySchema = z
  .strictObject({ size: z.number().int().min(1).max(4096), reason: reasonSchema })
  .meta({ id: "ResizeRequest" });
export type ResizeRequest = z.input<typeof resizeBodySchema>;

export const sessionSchema = named("Session", {
  actor: z.string().describe("Name that is kept with actions"),
  csrfToken: z.string().describe("Send it as X-CSRF-Token with every write"),
  tokenRequired: z.boolean().describe("False: this dashboard is open to every user of this machine"),
  expiresAt: isoTime.nullable().describe("End of the login; null without a login"),
});
export type Session = z.output<typeof sessionSchema>;

export const entrySchema = named("Entry", {
  tokenRequired: z.boolean().describe("False: this dashboard is open to every user of this machine"),
  loggedIn: z.boolean().describe("The request has a valid login, or none is required"),
});
export type EntryAnswer = z.output<typeof entrySchema>;

export const loginBodySchema = z
  .strictObject({
    token: z.string().min(1).max(1024),
    name: z
      .string()
      .trim()
      .regex(
        /^[\p{L}\p{N}][\p{L}\p{N} ._@+-]{0,63}$/u,
        "must be 1 to 64 letters, digits, spaces or . _ @ + -",
      ),
  })
  .meta({ id: "LoginRequest" });
export type LoginRequest = z.input<typeof loginBodySchema>;

export const healthSchema = named("Health", { status: z.enum(["ok"]) });

export const noContentSchema = z.null().describe("No body");

const editionName = {
  version: z.string().optional().describe("As the source writes it: 4.18, v2025.03.14"),
  date: z.string().optional().describe("As the source writes it"),
};
export const editionSchema = named("Edition", {
  ...editionName,
  lastModified: z.string().optional().describe("`Last-Modified` of the file"),
  digest: z.string().optional().describe("SHA-256 of the file"),
  metadata: z
    .record(z.string(), z.string())
    .optional()
    .describe("By the source's own names: model_version, score_date, catalogVersion, dateReleased"),
  parts: z
    .record(z.string(), z.object(editionName))
    .optional()
    .describe("Of several files: the edition of each"),
});
