/** Requests for actions, and their acknowledgements. */
import { z } from "zod";
import { machineStatusSchema, reasonSchema, runModeSchema } from "./common.ts";

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
export type ActionRequest = z.input<typeof reasonBodySchema>;

export const startedSchema = z
  .object({
    runId: z.string(),
    joined: z.boolean().describe("A run was open already"),
    mode: runModeSchema,
  })
  .meta({ id: "Started" });
export type Started = z.output<typeof startedSchema>;

export const acceptedSchema = z.object({ machine: machineStatusSchema }).meta({ id: "Accepted" });
export type Accepted = z.output<typeof acceptedSchema>;

export const resizeBodySchema = z
  .strictObject({ size: z.number().int().min(1).max(4096), reason: reasonSchema })
  .meta({ id: "ResizeRequest" });
export type ResizeRequest = z.input<typeof resizeBodySchema>;
