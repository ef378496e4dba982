/** Published decisions about the pool: what, how much, the metrics, the reason, and the pod or operator. */
import type { Redis } from "ioredis";
import type { Keys } from "../../redis/keys.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../../redis/newestFirst.ts";
import type { Decision, Sight } from "./decide.ts";

/** Redis trims by blocks and may keep a few more. */
export const QUOTA_EVENTS_KEPT = 1_000;

export interface QuotaEvent {
  /** Its position in the stream, for paging. */
  id: string;
  at: string;
  /** `resize` is an operator's action. */
  kind: "revoke" | "restore" | "resize";
  /** Number of permits taken or returned; for a resize the new size. */
  permits: number;
  reason: string;
  /** The optimizer's metrics; null for an operator's decision. */
  p99Ms: number | null;
  saturation: number | null;
  /** The pool before the decision. */
  size: number;
  effective: number;
  allocated: number;
  /** The pod that decided, or the operator. */
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

const numberOrNull = (text: string | undefined): number | null => (text === undefined ? null : Number(text));

/** Adds an operator's resize to the history; the pool has stored it already. */
export async function publishResize(
  redis: Redis,
  keys: Keys,
  pool: { configured: number; effective: number; effectiveBefore: number; allocated: number },
  by: { actor: string; reason: string },
): Promise<void> {
  const fields = {
    at: new Date().toISOString(),
    kind: "resize",
    permits: pool.configured,
    reason: by.reason,
    size: pool.configured,
    effective: pool.effectiveBefore,
    allocated: pool.allocated,
    actor: by.actor,
  };
  const flat = Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
  await redis.xadd(keys.quotaEvents, "MAXLEN", "~", QUOTA_EVENTS_KEPT, "*", ...flat);
}

/** Newest first. */
export const quotaEvents = (redis: Redis, keys: Keys, page: PageRequest): Promise<StreamPage<QuotaEvent>> =>
  readNewestFirst(redis, keys.quotaEvents, page, (id, fields) => ({
    id,
    at: fields.at ?? "",
    kind: fields.kind as QuotaEvent["kind"],
    permits: Number(fields.permits),
    reason: fields.reason ?? "",
    p99Ms: numberOrNull(fields.p99Ms),
    saturation: numberOrNull(fields.saturation),
    size: Number(fields.size),
    effective: Number(fields.effective),
    allocated: Number(fields.allocated),
    actor: fields.actor ?? "",
  }));
