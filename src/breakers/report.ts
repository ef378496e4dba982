/** A breaker and its transitions as the CLI, API and page show them. Times by Redis TIME. */
import { UeeError } from "../core/errors.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { formatTime } from "../core/time.ts";
import { type BreakerEvent, type BreakerState, breakerMachine } from "../machines/breakerMachine.ts";
import { type Transition, toSnapshot, toTransition } from "../machines/request.ts";
import type { BreakerPolicy } from "./policy.ts";

export type { BreakerState } from "../machines/breakerMachine.ts";

/** Totals of the fleet. `calls` = successes + failures + ignored + calls in progress (or lost with their process). */
export interface BreakerCounts {
  /** Calls that were admitted. */
  calls: number;
  successes: number;
  failures: number;
  /** Calls that ended without saying anything about the upstream's health, or too late to count. */
  ignored: number;
  /** Calls that were not made. */
  rejections: number;
  /** Transitions to open because calls failed, including failed probes. */
  opens: number;
}

export interface BreakerView {
  upstream: string;
  state: BreakerState;
  /** Number of the breaker's transitions. */
  version: number;
  /** Consecutive failed calls of the fleet. */
  consecutiveFailures: number;
  /** Consecutive failed probes since the breaker opened. */
  failedProbes: number;
  /** Number of times it has opened. */
  opens: number;
  /** When it left `closed`, ISO; null while closed. */
  openedAt: string | null;
  /** End of the current wait, ISO; null when there is none. */
  until: string | null;
  remainingMs: number;
  /** Holder of the probe token, and since when; null when no probe is in progress. */
  probe: { by: string; since: string } | null;
  /** The last failure that counted; kept after the breaker has closed. */
  lastFailure: { code: string; message: string; at: string } | null;
  counts: BreakerCounts;
}

type Move = Transition<BreakerState, BreakerEvent>;

export interface BreakerTransition
  extends Pick<
    Move,
    "oldState" | "newState" | "trigger" | "version" | "at" | "actor" | "actorKind" | "reason"
  > {
  /** Position in the history; empty in the direct reply of a script. */
  id: string;
  upstream: string;
  /** Consecutive failed calls and probes at that time. */
  failures: number;
  failedProbes: number;
  /** End of the wait that began, ISO; null when none began. */
  until: string | null;
}

const text = (value: unknown): string | null => (value === undefined || value === "" ? null : String(value));

/** Decodes the fields of the HASH at Redis time `nowMs`. */
export function toView(upstream: string, fields: JsonObject, nowMs: number): BreakerView {
  const { state, version, until, remainingMs } = toSnapshot(breakerMachine, upstream, fields, nowMs);
  const number = (name: string): number => Number(fields[name] ?? 0);
  const probing = state === "half_open" && number("probe_until_ms") > nowMs;
  const failedAt = text(fields.failed_at);
  return {
    upstream,
    state,
    version,
    consecutiveFailures: number("failures"),
    failedProbes: number("failed_probes"),
    opens: number("opens"),
    openedAt: text(fields.opened_at),
    until,
    remainingMs,
    probe: probing ? { by: String(fields.probe_by), since: String(fields.probe_since) } : null,
    lastFailure:
      failedAt === null
        ? null
        : { code: String(fields.failed_code), message: String(fields.failed_message), at: failedAt },
    counts: {
      calls: number("calls"),
      successes: number("successes"),
      failures: number("failed"),
      ignored: number("ignored"),
      rejections: number("rejections"),
      opens: number("opens"),
    },
  };
}

export function toBreakerTransition(upstream: string, fields: JsonObject, id = ""): BreakerTransition {
  const move: Move = toTransition(breakerMachine, upstream, fields);
  const { machine, providerId, details, urn, processed, errors, permits, ...rest } = move;
  return {
    id,
    upstream,
    ...rest,
    failures: Number(details.failures ?? 0),
    failedProbes: Number(details.failed_probes ?? 0),
    until: details.wait_ms === undefined ? null : formatTime(Date.parse(rest.at) + Number(details.wait_ms)),
  };
}

export interface BreakerReply {
  /** The verdict of the script: see its header. */
  verdict: string;
  /** Transitions that this request made. */
  moves: BreakerTransition[];
  view: BreakerView;
}

export function decodeBreakerReply(upstream: string, reply: unknown): BreakerReply {
  const said = JSON.parse(String(reply)) as JsonObject;
  // Redis' Lua encodes an empty list as an empty object.
  const moves = Array.isArray(said.moves) ? (said.moves as JsonObject[]) : [];
  return {
    verdict: String(said.verdict ?? said.kind),
    moves: moves.map((move) => toBreakerTransition(upstream, move)),
    view: toView(upstream, isObject(said.machine) ? said.machine : {}, Number(said.now)),
  };
}

/** The reason why a call is not made. It stays the same during the wait, so it can be stored as a reason. */
export function openError(
  view: BreakerView,
  policy: Pick<BreakerPolicy, "probingMs">,
  cause?: UeeError,
): UeeError {
  const { upstream, state, remainingMs, until, lastFailure, probe } = view;
  const last = lastFailure ? `; the last failure: ${lastFailure.code}: ${lastFailure.message}` : "";
  const said =
    state === "half_open"
      ? `The circuit breaker of ${upstream} is half open: ${probe?.by ?? "a process"} tries for all whether the upstream is well.`
      : `The circuit breaker of ${upstream} is open after ${view.consecutiveFailures} failures in a row${last}`;
  return new UeeError("PROV_CIRCUIT_OPEN", said, {
    retryAfterMs: state === "open" ? Math.max(1, remainingMs) : Math.max(1, policy.probingMs),
    data: { upstream, state, until },
    cause,
  });
}
