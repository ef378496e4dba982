/** Permits, workers, and what has happened. */
import { z } from "zod";
import type { QuotaEvent as EngineQuotaEvent, HistoryTransition, WorkerStatus } from "../../../engine/api.ts";
import type { PoolSize } from "../../../permits/permitPool.ts";
import type { PoolView } from "../../../permits/report.ts";
import { isoTime } from "./common.ts";

/** ms since the epoch by Redis' clock. */
const epochMs = z.number().describe("ms since the epoch");

export const permitsSchema = z
  .object({
    at: epochMs,
    configured: z.number().nullable().describe("What a person set; null before anybody used the pool"),
    effective: z.number().describe("Configured less what is revoked"),
    revoked: z.number(),
    allocated: z.number(),
    available: z.number(),
    askedBack: z.number(),
    waiting: z.number(),
    fence: z.number(),
    holdUntil: epochMs.nullable().describe("Grants wait until then, because Redis restarted"),
    providers: z.array(
      z.object({
        provider: z.string(),
        held: z.number(),
        askedBack: z.number(),
        waiting: z.number(),
        waitingMs: z.number(),
        cap: z.number().nullable(),
        weight: z.number(),
        permitTimeMs: z.number(),
      }),
    ),
    holders: z
      .array(
        z.object({
          lease: z.string(),
          provider: z.string(),
          weight: z.number(),
          target: z.number(),
          fence: z.number(),
          since: epochMs,
          expiresAt: epochMs,
          owner: z.string(),
        }),
      )
      .describe("The oldest first"),
    truncated: z.boolean().describe("There are more holders than listed"),
  })
  .meta({ id: "Permits" }) satisfies z.ZodType<PoolView>;
export type Permits = z.output<typeof permitsSchema>;

export const permitSizeSchema = z
  .object({
    configured: z.number(),
    effective: z.number(),
    effectiveBefore: z.number(),
    allocated: z.number(),
    askedBack: z.number(),
    changed: z.boolean(),
  })
  .meta({ id: "PermitSize" }) satisfies z.ZodType<PoolSize>;
export type PermitSize = z.output<typeof permitSizeSchema>;

export const workerSchema = z
  .object({ id: z.string(), host: z.string(), pid: z.number(), startedAt: isoTime, lastSeen: isoTime })
  .meta({ id: "Worker" }) satisfies z.ZodType<WorkerStatus>;
export const workersSchema = z.object({ workers: z.array(workerSchema) }).meta({ id: "Workers" });
export type Worker = z.output<typeof workerSchema>;
export type Workers = z.output<typeof workersSchema>;

export const transitionSchema = z
  .object({
    id: z.string().describe("Place in its machine's history"),
    machine: z.string().describe("provider or macro"),
    provider: z.string().nullable().describe("Null for the fleet's own machine"),
    oldState: z.string(),
    newState: z.string(),
    trigger: z.string(),
    version: z.number(),
    at: isoTime,
    actor: z.string(),
    actorKind: z.enum(["person", "engine", "schedule", "script"]),
    reason: z.string().nullable(),
    urn: z.string().nullable(),
    processed: z.number().nullable(),
    errors: z.number().nullable(),
    permits: z.number().nullable(),
  })
  .meta({ id: "Transition" }) satisfies z.ZodType<HistoryTransition>;
export const transitionsSchema = z
  .object({ transitions: z.array(transitionSchema).describe("The newest first") })
  .meta({ id: "Transitions" });
export type Transition = z.output<typeof transitionSchema>;
export type Transitions = z.output<typeof transitionsSchema>;

export const quotaEventSchema = z
  .object({
    id: z.string(),
    at: isoTime,
    kind: z.enum(["revoke", "restore"]),
    permits: z.number(),
    reason: z.string(),
    p99Ms: z.number(),
    saturation: z.number(),
    size: z.number(),
    effective: z.number(),
    allocated: z.number(),
    actor: z.string(),
  })
  .meta({ id: "QuotaEvent" }) satisfies z.ZodType<EngineQuotaEvent>;
export const quotaEventsSchema = z
  .object({ quotaEvents: z.array(quotaEventSchema).describe("The newest first") })
  .meta({ id: "QuotaEvents" });
export type QuotaEvent = z.output<typeof quotaEventSchema>;
export type QuotaEvents = z.output<typeof quotaEventsSchema>;
