/** Permits and history. */
import { z } from "zod";
import type { QuotaEvent as EngineQuotaEvent, HistoryTransition } from "../../../engine/api.ts";
import type { PoolSize } from "../../../permits/permitPool.ts";
import type { PoolView } from "../../../permits/report.ts";
import { isoTime, shows } from "./common.ts";

/** ms since the epoch by Redis' clock. */
const epochMs = z.number().describe("ms since the epoch");

export const permitsSchema = shows<PoolView>()(
  z
    .object({
      at: epochMs,
      configured: z
        .number()
        .nullable()
        .describe("Size that an operator set; null before the pool was first used"),
      effective: z.number().describe("Configured less what is revoked"),
      revoked: z.number(),
      allocated: z.number(),
      available: z.number(),
      askedBack: z.number(),
      waiting: z.number(),
      fence: z.number(),
      holdUntil: epochMs.nullable().describe("Grants wait until then, because Redis restarted"),
      providers: z
        .array(
          z.object({
            provider: z.string(),
            held: z.number(),
            askedBack: z.number(),
            waiting: z.number(),
            waitingMs: z.number(),
            permitTimeMs: z.number(),
          }),
        )
        .readonly(),
      holders: z
        .array(
          z.object({
            lease: z.string(),
            provider: z.string(),
            askedBack: z.boolean(),
            fence: z.number(),
            since: epochMs,
            expiresAt: epochMs,
            owner: z.string(),
          }),
        )
        .readonly()
        .describe("The oldest first"),
      truncated: z.boolean().describe("There are more holders than listed"),
    })
    .meta({ id: "Permits" }),
);
export type Permits = z.output<typeof permitsSchema>;

export const permitSizeSchema = shows<PoolSize>()(
  z
    .object({
      configured: z.number(),
      effective: z.number(),
      effectiveBefore: z.number(),
      allocated: z.number(),
      askedBack: z.number(),
      changed: z.boolean(),
    })
    .meta({ id: "PermitSize" }),
);
export type PermitSize = z.output<typeof permitSizeSchema>;

export const transitionSchema = shows<HistoryTransition>()(
  z
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
    .meta({ id: "Transition" }),
);
export const transitionsSchema = z
  .object({ transitions: z.array(transitionSchema).describe("The newest first") })
  .meta({ id: "Transitions" });
export type Transition = z.output<typeof transitionSchema>;
export type Transitions = z.output<typeof transitionsSchema>;

export const quotaEventSchema = shows<EngineQuotaEvent>()(
  z
    .object({
      id: z.string(),
      at: isoTime,
      kind: z.enum(["revoke", "restore", "resize"]).describe("resize is a person's"),
      permits: z.number().describe("Number of permits taken or returned; for a resize the new size"),
      reason: z.string(),
      p99Ms: z
        .number()
        .nullable()
        .describe("Metrics that the optimizer saw; null for an operator's decision"),
      saturation: z.number().nullable(),
      size: z.number(),
      effective: z.number(),
      allocated: z.number(),
      actor: z.string(),
    })
    .meta({ id: "QuotaEvent" }),
);
export const quotaEventsSchema = z
  .object({ quotaEvents: z.array(quotaEventSchema).describe("The newest first") })
  .meta({ id: "QuotaEvents" });
export type QuotaEvent = z.output<typeof quotaEventSchema>;
export type QuotaEvents = z.output<typeof quotaEventsSchema>;
