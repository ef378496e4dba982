/** Circuit breakers, one per upstream, shared by the fleet. */
import { z } from "zod";
import type {
  BreakerTransition as EngineBreakerTransition,
  BreakerView as EngineBreakerView,
} from "../../../engine/api.ts";
import { isoTime, shows } from "./common.ts";

const stateSchema = z.enum(["closed", "open", "half_open"]);

export const breakerSchema = shows<EngineBreakerView>()(
  z
    .object({
      upstream: z.string(),
      state: stateSchema,
      version: z.number().describe("Counts its transitions"),
      consecutiveFailures: z.number().describe("Consecutive failed calls of the fleet"),
      failedProbes: z.number(),
      opens: z.number(),
      openedAt: isoTime.nullable().describe("When it left closed"),
      until: isoTime.nullable().describe("End of the present wait"),
      remainingMs: z.number(),
      probe: z
        .object({ by: z.string(), since: isoTime })
        .nullable()
        .describe("Holder of the probe token; one in the whole fleet"),
      lastFailure: z.object({ code: z.string(), message: z.string(), at: isoTime }).nullable(),
      counts: z.object({
        calls: z.number(),
        successes: z.number(),
        failures: z.number(),
        ignored: z.number(),
        rejections: z.number().describe("Calls that were not made"),
        opens: z.number(),
      }),
    })
    .meta({ id: "Breaker" }),
);
export const breakersSchema = z.object({ breakers: z.array(breakerSchema) }).meta({ id: "Breakers" });
export type Breaker = z.output<typeof breakerSchema>;
export type Breakers = z.output<typeof breakersSchema>;

export const breakerTransitionSchema = shows<EngineBreakerTransition>()(
  z
    .object({
      id: z.string(),
      upstream: z.string(),
      oldState: stateSchema,
      newState: stateSchema,
      trigger: z.enum([
        ...([
          "trip",
          "probe_begins",
          "probe_succeeded",
          "probe_failed",
          "probe_void",
          "prober_lost",
          "reset",
        ] as const),
      ]),
      version: z.number(),
      at: isoTime,
      actor: z.string(),
      actorKind: z.enum(["person", "engine", "schedule", "script"]),
      reason: z.string().nullable(),
      failures: z.number(),
      failedProbes: z.number(),
      until: isoTime.nullable(),
    })
    .meta({ id: "BreakerTransition" }),
);
export const breakerTransitionsSchema = z
  .object({ transitions: z.array(breakerTransitionSchema).describe("The newest first") })
  .meta({ id: "BreakerTransitions" });
export type BreakerTransition = z.output<typeof breakerTransitionSchema>;
export type BreakerTransitions = z.output<typeof breakerTransitionsSchema>;

export const breakerResetSchema = z
  .object({ changed: z.boolean().describe("False: it was already closed"), breaker: breakerSchema })
  .meta({ id: "BreakerReset" });
export type BreakerReset = z.output<typeof breakerResetSchema>;
