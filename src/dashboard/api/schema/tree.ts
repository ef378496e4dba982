/** The two answers whose fields follow v2e, including snake case. */
import { z } from "zod";
import type { EtlTree as EngineEtlTree } from "../../../engine/api.ts";
import type { KernelMetrics as EngineKernelMetrics } from "../../../permits/optimizer/kernelMetrics.ts";
import { isoTime, shows } from "./common.ts";

export const etlTreeSchema = shows<EngineEtlTree>()(
  z
    .object({
      macro_fsm: z.object({
        id: z.string(),
        state: z.string(),
        created_at: isoTime.nullable().describe("First transition; null before it"),
        updated_at: isoTime.nullable().describe("Last transition; null before the first"),
      }),
      providers: z.array(
        z.object({
          id: z.string(),
          provider_type: z.string(),
          state: z.string(),
          last_checkpoint: z.string().nullable().describe("URN"),
          processed_count: z.number().describe("Records processed by the open run, else by the last"),
          error_count: z.number().describe("Of these, permanently failed records"),
          permits_allocated: z.number(),
          created_at: isoTime.nullable(),
          updated_at: isoTime.nullable(),
        }),
      ),
      total_checkpoints: z.number().describe("Number of checkpoints ever stored, all providers"),
    })
    .meta({ id: "EtlTree" }),
);
export type EtlTree = z.output<typeof etlTreeSchema>;

const kernelFields = {
  p99_latency_ms: z.number().describe("99th percentile of the fleet's last 1,000 control operations"),
  buffer_saturation: z.number().describe("Fetched and not yet committed, as a share of the bound; 1 = full"),
  active_workers: z.number(),
  total_permits: z.number(),
  allocated_permits: z.number(),
  available_permits: z.number(),
  message_rate: z.number().describe("Finished jobs per second, over the last minute"),
  error_rate: z.number().describe("Of these, jobs that spent an attempt or failed permanently, per second"),
};

export const kernelMetricsSchema = shows<EngineKernelMetrics>()(
  z.object(kernelFields).meta({ id: "KernelMetrics" }),
);
export type KernelMetrics = z.output<typeof kernelMetricsSchema>;

export const kernelHistorySchema = z
  .object({
    intervalMs: z
      .number()
      .describe("Between two samples while workers live; where there is a gap, none lived"),
    samples: z
      .array(z.object({ at: isoTime, ...kernelFields }).meta({ id: "KernelSample" }))
      .describe("The oldest first"),
  })
  .meta({ id: "KernelHistory" });
export type KernelHistory = z.output<typeof kernelHistorySchema>;
