/** A breaker and its transitions as people and machines read them. Times by Redis TIME. */
import type { Actor } from "../core/actor.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { formatTime } from "../core/time.ts";
import { type BreakerEvent, type BreakerState, breakerMachine } from "../machines/breakerMachine.ts";
import { type Transition, toSnapshot, toTransition } from "../machines/request.ts";

export type { BreakerEvent, BreakerState } from "../machines/breakerMachine.ts";

/** Since ever, of the whole fleet. `calls` = successes + failures + ignored + those under way (or lost with their process). */
export interface BreakerCounts {
  /** Calls that were let through. */
  calls: number;
  successes: number;
  failures: number;
  /** Ended without saying anything of the upstream's health, or too late to count. */
  ignored: number;
  /** Calls that were not made. */
  rejections: number;
  /** Transitions to open because calls failed, failed probes included. */
  opens: number;
}

export interface BreakerView {
  upstream: string;
  state: BreakerState;
  /** Counts the breaker's transitions. */
  version: number;
  /** Calls of the fleet that failed in a row. */
  consecutiveFailures: number;
  /** Probes that failed in a row since it opened. */
  failedProbes: number;
  /** How often it has opened, ever. */
  opens: number;
  /** When it left `closed`, ISO; null while closed. */
  openedAt: string | null;
  /** End of the present wait, ISO; null where there is none. */
  until: string | null;
  remainingMs: number;
  /** Who probes, and since when; null when nobody does. */
  probe: { by: string; since: string } | null;
  /** The last failure that counted; kept after it has closed. */
  lastFailure: { code: string; message: string; at: string } | null;
  counts: BreakerCounts;
}

export interface BreakerTransition {
  /** Its place in the history; empty in what a script has just answered. */
  id: string;
  upstream: string;
  oldState: BreakerState;
  newState: BreakerState;
  trigger: BreakerEvent;
  version: number;
  at: string;
  actor: string;
  actorKind: Actor["kind"];
  reason: string | null;
  /** Calls, and probes, that had failed in a row by then. */
  failures: number;
  failedProbes: number;
  /** End of the wait that began, ISO; null where none did. */
  until: string | null;
}

const text = (value: unknown): string | null => (value === undefined || value === "" ? null : String(value));

/** The HASH's fields at Redis time `nowMs`. */
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
  const {
    machine,
    providerId,
    details,
    urn,
    processed,
    errors,
    permits,
    ...rest
  }: Transition<BreakerState, BreakerEvent> = toTransition(breakerMachine, upstream, fields);
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
  /** The script's own word: see its header. */
  verdict: string;
  /** What this very request moved. */
  moves: BreakerTransition[];
  view: BreakerView;
}

export function decodeBreakerReply(upstream: string, reply: unknown): BreakerReply {
  const said = JSON.parse(String(reply)) as JsonObject;
  // An empty list is an empty object to Redis' Lua.
  const moves = Array.isArray(said.moves) ? (said.moves as JsonObject[]) : [];
  return {
    verdict: String(said.verdict ?? said.kind),
    moves: moves.map((move) => toBreakerTransition(upstream, move)),
    view: toView(upstream, isObject(said.machine) ? said.machine : {}, Number(said.now)),
  };
}
