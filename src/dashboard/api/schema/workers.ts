/** Workers with their heartbeats, and schedules. */
import { z } from "zod";
import type { ScheduleView, WorkerView } from "../../../engine/api.ts";
import { isoTime, runModeSchema, shows } from "./common.ts";

export const workerSchema = shows<WorkerView>()(
  z
    .object({
      id: z.string(),
      host: z.string(),
      pid: z.number(),
      version: z.string(),
      startedAt: isoTime,
      state: z.enum(["starting", "ready", "stopping"]),
      health: z
        .enum(["live", "late", "dead"])
        .describe("late: a heartbeat is missing; dead: three are, or its process is known to be gone"),
      missedBeats: z.number().describe("One is due every 10 s"),
      lastBeatAt: isoTime,
      vitals: z
        .object({
          responseMs: z.number().describe("A round trip through the worker's event loop"),
          loopDelayP99Ms: z.number(),
          loopDelayMaxMs: z.number(),
          activeBatches: z.number(),
          rssBytes: z.number().describe("Resident memory"),
          lastFetchAgeMs: z.number().describe("Time since the queue last answered the worker"),
        })
        .nullable()
        .describe("Null until the first heartbeat with figures"),
    })
    .meta({ id: "Worker" }),
);
export const workersSchema = z
  .object({
    workers: z
      .array(workerSchema)
      .describe("Oldest first; including workers that died in the last ten minutes"),
  })
  .meta({ id: "Workers" });
export type Worker = z.output<typeof workerSchema>;
export type Workers = z.output<typeof workersSchema>;

export const scheduleSchema = shows<ScheduleView>()(
  z
    .object({
      provider: z.string(),
      mode: runModeSchema,
      enabled: z.boolean(),
      everyMs: z.number().nullable().describe("Interval; null for a cron expression"),
      cron: z.string().nullable().describe("UTC; null for an interval"),
      next: isoTime.nullable().describe("In the past when it is overdue"),
      last: isoTime.nullable().describe("When its last slot was taken"),
      lastOutcome: z.enum(["opened", "joined", "paused"]).nullable(),
      lastRunId: z.string().nullable(),
    })
    .meta({ id: "Schedule" }),
);
export const schedulesSchema = z.object({ schedules: z.array(scheduleSchema) }).meta({ id: "Schedules" });
export type Schedule = z.output<typeof scheduleSchema>;
export type Schedules = z.output<typeof schedulesSchema>;
