/**
 * The events of `/events`: name → data. `overview`, `kernel`, `permits`, `workers` and `breakers` carry the whole
 * current state and are sent when it changed; `transition` and `quota` are sent once per entry; `pulse` is sent every
 * second.
 */
import { z } from "zod";
import { breakersSchema } from "./breakers.ts";
import { isoTime } from "./common.ts";
import { permitsSchema, quotaEventSchema, transitionSchema } from "./fleet.ts";
import { overviewSchema } from "./overview.ts";
import { kernelMetricsSchema } from "./tree.ts";
import { workersSchema } from "./workers.ts";

export const pulseSchema = z
  .object({
    at: isoTime,
    redis: z.enum(["ok", "away"]),
    code: z.string().nullable(),
    message: z.string().nullable(),
  })
  .meta({ id: "Pulse" });
export type Pulse = z.output<typeof pulseSchema>;

export const eventSchemas = {
  /** First event of a connection that could not be resumed: discard the local state, the current state follows. */
  reset: z.object({ at: isoTime }),
  pulse: pulseSchema,
  overview: overviewSchema,
  kernel: z.object({ at: isoTime, metrics: kernelMetricsSchema }),
  permits: permitsSchema,
  workers: workersSchema,
  breakers: breakersSchema,
  transition: transitionSchema,
  quota: quotaEventSchema,
  /** Last event of a connection that this server closes: reconnect. */
  bye: z.object({ at: isoTime }),
} as const;
export type EventName = keyof typeof eventSchemas;
export type EventData = { [Name in EventName]: z.output<(typeof eventSchemas)[Name]> };

export const eventStreamSchema = z
  .string()
  .meta({ id: "EventStream", description: `Server-sent events: ${Object.keys(eventSchemas).join(", ")}` });
