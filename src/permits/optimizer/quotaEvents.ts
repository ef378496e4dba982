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

const flat = (event: Partial<QuotaEvent>): string[] =>
  Object.entries(event).flatMap(([name, value]) => [name, String(value)]);

export function quotaEventFields({ kind, ...decision }: Decision, sight: Sight, actor: string): string[] {
  const { nowMs, p99Ms, saturation, pool } = sight;
  const { permits, reason } = decision;
  const at = new Date(nowMs).toISOString();
  return flat({ at, kind: kind as QuotaEvent["kind"], permits, reason, p99Ms, saturation, ...pool, actor });
}

const numberOrNull = (text: string | undefined): number | null => (text === undefined ? null : Number(text));

/** Adds an operator's resize to the history; the pool has stored it already. */
export async function publishResize(
  redis: Redis,
  keys: Keys,
  pool: { configured: number; effective: number; effectiveBefore: number; allocated: number },
  by: { actor: string; reason: string },
): Promise<void> {
  const { configured: size, effectiveBefore: effective, allocated } = pool;
  const at = new Date().toISOString();
  const event = flat({ at, kind: "resize", permits: size, size, effective, allocated, ...by });
  await redis.xadd(keys.quotaEvents, "MAXLEN", "~", QUOTA_EVENTS_KEPT, "*", ...event);
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
