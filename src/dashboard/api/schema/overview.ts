/** All data of the tree in one answer; the event `overview` carries the same. */
import { z } from "zod";
import { providerProblemKinds } from "../../../session/problems.ts";
import { actionSchema, isoTime, machineStatusSchema, runModeSchema, runSchema } from "./common.ts";

export const progressSchema = z
  .object({
    fetched: z.number(),
    expected: z.number().nullable(),
    share: z.number().nullable().describe("Done of the present pass, 0 to 1; null while nobody knows"),
    perSecond: z
      .number()
      .nullable()
      .describe("Records per second over the last seconds; null before it is known"),
    remainingMs: z
      .number()
      .nullable()
      .describe("At that pace; null where it cannot be told, or the run waits"),
  })
  .meta({ id: "Progress" });
export type Progress = z.output<typeof progressSchema>;

export const overviewProviderSchema = z
  .object({
    provider: z.string(),
    machine: machineStatusSchema,
    actions: z.array(actionSchema).describe("What the state allows, and would change something"),
    verified: z.boolean().describe("Verified complete at least once"),
    verifiedAt: isoTime.nullable(),
    freshMs: z.number().nullable().describe("Since verified complete, ms; null where it never was"),
    watermark: z.string().nullable().describe("Upstream time up to which the mirror is verified complete"),
    records: z.number(),
    openRun: runSchema.nullable(),
    progress: progressSchema.nullable().describe("Of the open run"),
    lastRun: runSchema.nullable().describe("The last ordinary run that closed"),
    lastRunSettled: z
      .boolean()
      .describe("It fell short only by dead letters, and none is left: replayed, accepted or purged since"),
    lastReplay: runSchema.nullable().describe("The last run of replayed dead letters that closed"),
    lastCheckpoint: z.string().nullable().describe("URN"),
    nextRun: z
      .object({ at: isoTime, mode: runModeSchema })
      .nullable()
      .describe("By its schedules; a paused provider's does nothing"),
    jobs: z.object({
      waiting: z.number(),
      active: z.number(),
      delayed: z.number(),
      failed: z.number().describe("In the failed set"),
    }),
    deadLetters: z.object({
      entries: z.number().describe("Those that count; accepted ones do not"),
      share: z.number().describe("Of the cap at which the provider pauses; 1 = full"),
      level: z.enum(["ok", "near", "full"]),
    }),
    staleAfterMs: z
      .number()
      .nullable()
      .describe("Verified longer ago than this it is stale, ms; null where its schedules have no interval"),
    problems: z
      .array(
        z.object({
          kind: z.enum(providerProblemKinds),
          severity: z.enum(["bad", "warn"]).describe("bad: a person must act"),
          text: z.string(),
          remedy: z.string(),
        }),
      )
      .describe("What is wrong, the worst first; what `uee status --check`, `uee doctor` and the alerts say"),
    permits: z.object({ held: z.number(), waiting: z.number(), askedBack: z.number() }),
  })
  .meta({ id: "OverviewProvider" });
export type OverviewProvider = z.output<typeof overviewProviderSchema>;

export const overviewSchema = z
  .object({
    at: isoTime,
    macro: machineStatusSchema,
    stranded: z.boolean().describe("Jobs wait and no worker lives"),
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
      trouble: z.string().nullable().describe("Why it refuses writes at present, as far as it tells"),
    }),
    providers: z.array(overviewProviderSchema),
  })
  .meta({ id: "Overview" });
export type Overview = z.output<typeof overviewSchema>;
