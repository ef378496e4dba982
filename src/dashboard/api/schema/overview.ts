/** All data of the tree in one answer; the event `overview` carries the same. */
import { z } from "zod";
import { providerProblemKinds } from "../../../session/problems.ts";
import { actionSchema, isoTime, machineStatusSchema, runModeSchema, runSchema } from "./common.ts";

export const progressSchema = z
  .object({
    fetched: z.number(),
    expected: z.number().nullable(),
    share: z.number().nullable().describe("Completed share of the current pass, 0 to 1; null while unknown"),
    perSecond: z
      .number()
      .nullable()
      .describe("Records per second over the last seconds; null before it is known"),
    remainingMs: z
      .number()
      .nullable()
      .describe("At the current rate; null while unknown, or while the run waits"),
  })
  .meta({ id: "Progress" });
export type Progress = z.output<typeof progressSchema>;

export const overviewProviderSchema = z
  .object({
    provider: z.string(),
    machine: machineStatusSchema,
    actions: z.array(actionSchema).describe("Actions that the state allows and that would have an effect"),
    verified: z.boolean().describe("Verified complete at least once"),
    verifiedAt: isoTime.nullable(),
    freshMs: z.number().nullable().describe("Time since the mirror was verified complete, ms; null if never"),
    watermark: z.string().nullable().describe("Upstream time up to which the mirror is verified complete"),
    records: z.number(),
    openRun: runSchema.nullable(),
    progress: progressSchema.nullable().describe("Of the open run"),
    lastRun: runSchema.nullable().describe("The last ordinary run that closed"),
    lastRunSettled: z
      .boolean()
      .describe(
        "The run was incomplete only because of dead letters, and all of them have been replayed, accepted or purged since",
      ),
    lastReplay: runSchema.nullable().describe("The last run of replayed dead letters that closed"),
    lastCheckpoint: z.string().nullable().describe("URN"),
    nextRun: z
      .object({ at: isoTime, mode: runModeSchema })
      .nullable()
      .describe("By schedule; a paused provider opens no run"),
    jobs: z.object({
      waiting: z.number(),
      active: z.number(),
      delayed: z.number(),
      failed: z.number().describe("In the failed set"),
    }),
    deadLetters: z.object({
      entries: z.number().describe("Without accepted ones"),
      share: z.number().describe("Of the cap at which the provider pauses; 1 = full"),
      level: z.enum(["ok", "near", "full"]),
    }),
    staleAfterMs: z
      .number()
      .nullable()
      .describe(
        "Maximum age of a verified mirror before it is stale, ms; null if its schedules have no interval",
      ),
    problems: z
      .array(
        z.object({
          kind: z.enum(providerProblemKinds),
          severity: z.enum(["bad", "warn"]).describe("bad: a person must act"),
          text: z.string(),
          remedy: z.string(),
        }),
      )
      .describe("Problems, worst first; the same as in `uee status --check`, `uee doctor` and the alerts"),
    permits: z.object({ held: z.number(), waiting: z.number(), askedBack: z.number() }),
  })
  .meta({ id: "OverviewProvider" });
export type OverviewProvider = z.output<typeof overviewProviderSchema>;

export const overviewSchema = z
  .object({
    at: isoTime,
    macro: machineStatusSchema,
    stranded: z.boolean().describe("Jobs wait and no worker is live"),
    runsPaused: z.boolean().describe("The queue `runs` is paused: jobs of scripts and schedules wait"),
    workers: z.number().describe("Live ones"),
    deadLetters: z.number(),
    permits: z.object({
      configured: z.number().nullable(),
      effective: z.number(),
      allocated: z.number(),
      available: z.number(),
      waiting: z.number(),
    }),
    redis: z.object({
      version: z.string(),
      usedMemory: z.number().describe("Bytes"),
      maxMemory: z.number().describe("Bytes; 0: no limit"),
      persistence: z.string(),
      trouble: z.string().nullable().describe("Why Redis refuses writes now, as far as it reports"),
    }),
    providers: z.array(overviewProviderSchema),
  })
  .meta({ id: "Overview" });
export type Overview = z.output<typeof overviewSchema>;
