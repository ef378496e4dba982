/** A machine's state in words: since when, by whom, why, and how much longer. */
import { formatAge, formatRough } from "../core/figures.ts";
import { oneLine } from "../core/printable.ts";
import type { MachineStatus } from "../engine/api.ts";

export const isWaiting = ({ state }: MachineStatus): boolean => state.startsWith("WAITING_");

/** `paused 2 h ago by ann@desk`, `waits 26 s more`, `has waited 12 s`; undefined where the state says it all. */
export function situation(machine: MachineStatus, now: number): string | undefined {
  const { since, actor } = machine;
  if (machine.state === "PAUSED") {
    const when = since === null ? "" : ` ${formatAge(since, now)}`;
    return `paused${when}${actor === null ? "" : ` by ${oneLine(actor)}`}`;
  }
  if (!isWaiting(machine)) return undefined;
  if (machine.remainingMs > 0) return `waits ${formatRough(machine.remainingMs)} more`;
  return since === null ? "waits" : `has waited ${formatRough(now - Date.parse(since))}`;
}

/** `paused 2 h ago by ann@desk: the upstream moves house` */
export function situationWithReason(machine: MachineStatus, now: number): string | undefined {
  const text = situation(machine, now);
  return text === undefined || machine.reason === null ? text : `${text}: ${oneLine(machine.reason)}`;
}
