/** The optimizer's decisions as they are published: what, how much, on which figures, why, by which pod. */
import type { Redis } from "ioredis";
import type { Keys } from "../../redis/keys.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../../redis/newestFirst.ts";
import type { Decision, Sight } from "./decide.ts";

/** Some more while Redis trims by whole blocks. */
export const QUOTA_EVENTS_KEPT = 1_000;

export interface QuotaEvent {
  /** Its place in the stream; pages. */
  id: string;
  at: string;
  kind: "revoke" | "restore";
  permits: number;
  reason: string;
  p99Ms: number;
  saturation: number;
  /** The pool before the decision. */
  size: number;
  effective: number;
  allocated: number;
  /** The elected pod. */
  actor: string;
}

export function quotaEventFields(decision: Decision, sight: Sight, actor: string): string[] {
  const { size, effective, allocated } = sight.pool;
  return Object.entries({
    at: new Date(sight.nowMs).toISOString(),
    kind: decision.kind,
    permits: decision.permits,
    reason: decision.reason,
    p99Ms: sight.p99Ms,
    saturation: sight.saturation,
    size,
    effective,
    allocated,
    actor,
  }).flatMap(([name, value]) => [name, String(value)]);
}

/** Newest first. */
export const quotaEvents = (redis: Redis, keys: Keys, page: PageRequest): Promise<StreamPage<QuotaEvent>> =>
  readNewestFirst(redis, keys.quotaEvents, page, (id, fields) => ({
    id,
    at: fields.at ?? "",
    kind: fields.kind as QuotaEvent["kind"],
    permits: Number(fields.permits),
    reason: fields.reason ?? "",
    p99Ms: Number(fields.p99Ms),
    saturation: Number(fields.saturation),
    size: Number(fields.size),
    effective: Number(fields.effective),
    allocated: Number(fields.allocated),
    actor: fields.actor ?? "",
  }));
