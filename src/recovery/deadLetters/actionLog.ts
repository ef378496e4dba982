/** What was done with dead letters, who did it and why: kept, bounded, beside the dead letters of their provider. */
import type { NamedRequest } from "../../core/actor.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../../redis/newestFirst.ts";
import type { DeadLetterParts } from "./parts.ts";

/** Some more while Redis trims by whole blocks. */
const ACTIONS_KEPT = "1000";

type LogParts = Pick<DeadLetterParts, "redis" | "runs">;

export interface OperatorAction {
  at: string;
  /** `replay begun`, `replayed 12 of 14`, … */
  what: string;
  /** Which dead letters were meant. */
  selection: string;
  actor: string;
  /** engine: a run settled them. */
  actorKind: "person" | "engine";
  reason: string | null;
}

export async function logAction(
  { redis, runs }: LogParts,
  { reason = "", ...action }: NamedRequest & Pick<OperatorAction, "what" | "selection" | "actorKind">,
): Promise<void> {
  const at = new Date(await runs.now()).toISOString();
  const fields = { at, ...action, reason };
  const key = runs.keys.deadLetters.actions;
  await redis.xadd(key, "MAXLEN", "~", ACTIONS_KEPT, "*", ...Object.entries(fields).flat());
}

/** Newest first. */
export const readActions = (
  { redis, runs }: LogParts,
  page: PageRequest,
): Promise<StreamPage<OperatorAction>> =>
  readNewestFirst(redis, runs.keys.deadLetters.actions, page, (_id, fields) => ({
    at: fields.at ?? "",
    what: fields.what ?? "",
    selection: fields.selection ?? "",
    actor: fields.actor ?? "",
    // Older versions did not write it.
    actorKind: (fields.actorKind ?? (fields.what?.startsWith("settled") ? "engine" : "person")) as "person",
    reason: fields.reason || null,
  }));
