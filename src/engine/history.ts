/** `uee history`: what moved machines and breakers, what was decided about permits, what people did with dead letters. */
import { quotaEvents } from "../permits/optimizer/quotaEvents.ts";
import type { HistoryLine } from "./api.ts";
import { contextOf, type EngineParts, machineOf } from "./parts.ts";

/** Newest first; of one provider, or of all and of the fleet. */
export async function history(
  parts: EngineParts,
  { provider, limit }: { provider?: string; limit: number },
): Promise<HistoryLine[]> {
  const names = provider === undefined ? [...parts.contexts.keys()] : [provider];
  const sources = [
    ...names.map((name) => transitions(machineOf(parts, name), limit)),
    ...names.map((name) => breakerMoves(parts, name, limit)),
    ...names.map((name) => operatorActions(parts, name, limit)),
    ...(provider === undefined ? [transitions(parts.macro, limit), decisions(parts, limit)] : []),
  ];
  const lines = (await Promise.all(sources)).flat();
  // Each source is newest first already; sorting is stable, so those of one millisecond stay so.
  return lines.sort((a, b) => Number(a.at < b.at) - Number(a.at > b.at)).slice(0, limit);
}

async function transitions(
  machine: EngineParts["macro"] | ReturnType<typeof machineOf>,
  limit: number,
): Promise<HistoryLine[]> {
  const { entries } = await machine.history({ limit });
  return entries.map((entry) => ({
    at: entry.at,
    kind: "transition",
    provider: entry.providerId,
    what: `${entry.oldState} → ${entry.newState}`,
    trigger: entry.trigger,
    actor: entry.actor,
    reason: entry.reason,
  }));
}

async function breakerMoves({ breakers }: EngineParts, name: string, limit: number): Promise<HistoryLine[]> {
  const { entries } = await breakers.get(name)!.store.transitions({ limit });
  return entries.map((entry) => ({
    at: entry.at,
    kind: "breaker",
    provider: name,
    what: `breaker ${entry.oldState} → ${entry.newState}`,
    trigger: entry.trigger,
    actor: entry.actor,
    reason: entry.reason,
  }));
}

async function decisions({ redis, keys }: EngineParts, limit: number): Promise<HistoryLine[]> {
  const { entries } = await quotaEvents(redis, keys, { limit });
  return entries.map((entry) => ({
    at: entry.at,
    kind: "quota",
    provider: null,
    what: entry.kind === "resize" ? `resize to ${entry.permits}` : `${entry.kind} ${entry.permits}`,
    trigger: entry.kind === "resize" ? "person" : "optimizer",
    actor: entry.actor,
    reason: entry.reason || null,
  }));
}

async function operatorActions(parts: EngineParts, name: string, limit: number): Promise<HistoryLine[]> {
  const { entries } = await contextOf(parts, name).operatorActions.read({ limit });
  return entries.map(({ at, what, selection, actor, reason }) => ({
    at,
    kind: "dead-letters",
    provider: name,
    what: `dead letters: ${what}`,
    trigger: selection,
    actor,
    reason,
  }));
}
