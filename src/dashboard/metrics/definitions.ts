/** Every metric of the fleet: its name, description, labels (all bounded) and the source of its values. */

import type { ProviderTotals } from "../../engine/api.ts";
import type { AuditHistory } from "../../permits/auditor.ts";
import type { DeadLetterStats } from "../../recovery/deadLetters/api.ts";
import type { FleetLook } from "../live/fleetView.ts";

export interface MetricsLook extends FleetLook {
  readonly totals: readonly ProviderTotals[];
  readonly runsJobs: FleetLook["status"]["providers"][number]["jobs"];
  readonly audits: AuditHistory;
  /** One value per provider. */
  readonly letters: ReadonlyMap<string, DeadLetterStats>;
}

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

export interface Definition {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly labels: readonly string[];
  /** Unknown values are omitted. */
  read(look: MetricsLook): Iterable<Sample>;
}

export const gauge = (
  name: string,
  help: string,
  labels: readonly string[],
  read: Definition["read"],
): Definition => ({ name, help, type: "gauge", labels, read });

export const counter = (
  name: string,
  help: string,
  labels: readonly string[],
  read: Definition["read"],
): Definition => ({ name, help, type: "counter", labels, read });

/** One sample per label value: `{ waiting: 3, active: 1 }` under `state`. */
export const each = (
  label: string,
  values: Readonly<Record<string, number>>,
  more: Readonly<Record<string, string>> = {},
): Sample[] => Object.entries(values).map(([name, value]) => [{ ...more, [label]: name }, value]);

/** For a set of states: 1 for the current one, 0 for the others, so that the end of a state is visible. */
export const oneOf = (
  states: readonly string[],
  present: string,
  more: Readonly<Record<string, string>> = {},
): Sample[] => states.map((state) => [{ ...more, state }, state === present ? 1 : 0]);

/** Seconds since then; no value without a start. */
export const ageOf = (
  thenMs: number | null | undefined,
  nowMs: number,
  labels: Readonly<Record<string, string>>,
): Sample[] =>
  thenMs === null || thenMs === undefined || Number.isNaN(thenMs)
    ? []
    : [[labels, Math.max(0, (nowMs - thenMs) / 1_000)]];
