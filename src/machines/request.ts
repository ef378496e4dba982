/**
 * Requests to a machine and their outcomes, as the scripts encode them. A script that makes a transition beside other
 * work (`transition` of lua/transition.lua) takes `encodeRequest` as an argument; `decodeReply` reads its reply.
 */
import type { Actor } from "../core/actor.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { timeLeft } from "../redis/time.ts";
import type { Machine } from "./defineMachine.ts";

/** Shown in the transition's log line; omitted fields keep their values. */
export interface MachineFacts {
  /** URN of the last checkpoint. */
  urn?: string;
  processed?: number;
  errors?: number;
  /** Permits that the provider holds. */
  permits?: number;
}

export interface TransitionRequest<State extends string> {
  actor: Actor;
  reason?: string;
  /** Machine-readable facts of the reason (never secrets). */
  details?: JsonObject;
  /** Length of a wait that begins, ms; its end is computed from Redis TIME. */
  waitMs?: number;
  facts?: MachineFacts;
  /** Compare-and-set: the request has no effect when the machine has moved since it was read. */
  expect?: { version?: number; state?: State };
}

/** What a transition was made with, and the machine keeps of its last one. */
interface Told {
  machine: string;
  /** Null for the macro machine. */
  providerId: string | null;
  reason: string | null;
  details: JsonObject;
  urn: string | null;
  processed: number | null;
  errors: number | null;
  permits: number | null;
}

export interface Transition<State extends string, Event extends string> extends Told {
  oldState: State;
  newState: State;
  trigger: Event;
  /** Number of the machine's transitions, from 1. */
  version: number;
  at: string;
  actor: string;
  actorKind: Actor["kind"];
}

export interface MachineSnapshot<State extends string, Event extends string> extends Told {
  state: State;
  /** 0 before the first transition. */
  version: number;
  /** When the state was entered; null before the first transition. */
  since: string | null;
  trigger: Event | null;
  actor: string | null;
  actorKind: Actor["kind"] | null;
  /** End of the wait in states that have one, and its remaining time by Redis TIME, ms. */
  until: string | null;
  remainingMs: number;
  createdAt: string | null;
  updatedAt: string | null;
}

export type TransitionResult<State extends string, Event extends string> = {
  snapshot: MachineSnapshot<State, Event>;
} & (
  | { kind: "moved"; moves: Transition<State, Event>[] }
  /** Legal, and the state stays; `snapshot.remainingMs` is set while a wait lasts. */
  | { kind: "unchanged" }
  | { kind: "refused"; event: Event; state: State; why: "illegal" | "person" }
  /** The machine is not as `expect` says. */
  | { kind: "lost" }
);

/** Transitions kept in a machine's history; Redis trims by blocks and may keep a few more. */
export const HISTORY_KEPT = 1_000;

/** The argument of the scripts. */
export function encodeRequest<State extends string, Event extends string>(
  events: Event | readonly Event[],
  request: TransitionRequest<State>,
  kept = HISTORY_KEPT,
): string {
  const { actor, reason, details, waitMs, facts, expect } = request;
  return JSON.stringify({
    events: typeof events === "string" ? [events] : events,
    actor: actor.name,
    kind: actor.kind,
    reason,
    details: details && JSON.stringify(details),
    wait_ms: waitMs === undefined ? undefined : Math.ceil(waitMs),
    facts,
    expect,
    kept,
  });
}

const textOrNull = (value: unknown): string | null =>
  value === undefined || value === "" ? null : String(value);
const numberOrNull = (value: unknown): number | null =>
  value === undefined || value === "" ? null : Number(value);
const objectOf = (value: unknown): JsonObject => {
  const parsed: unknown = typeof value === "string" && value !== "" ? JSON.parse(value) : {};
  return isObject(parsed) ? parsed : {};
};

const toldOf = ({ name }: { name: string }, providerId: string | null, fields: JsonObject): Told => ({
  machine: name,
  providerId,
  reason: textOrNull(fields.reason),
  details: objectOf(fields.details),
  urn: textOrNull(fields.urn),
  processed: numberOrNull(fields.processed),
  errors: numberOrNull(fields.errors),
  permits: numberOrNull(fields.permits),
});

/** Decodes a machine's fields at Redis time `nowMs`. */
export function toSnapshot<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  providerId: string | null,
  fields: JsonObject,
  nowMs: number,
): MachineSnapshot<State, Event> {
  const untilMs = numberOrNull(fields.until_ms);
  const longest = Number(fields.wait_ms ?? Number.POSITIVE_INFINITY);
  return {
    ...toldOf(machine, providerId, fields),
    state: (fields.state ?? machine.initial) as State,
    version: Number(fields.version ?? 0),
    since: textOrNull(fields.since),
    trigger: textOrNull(fields.trigger) as Event | null,
    actor: textOrNull(fields.actor),
    actorKind: textOrNull(fields.actor_kind) as Actor["kind"] | null,
    until: textOrNull(fields.until),
    remainingMs: untilMs === null ? 0 : timeLeft(untilMs, nowMs, longest),
    createdAt: textOrNull(fields.created_at),
    updatedAt: textOrNull(fields.updated_at),
  };
}

/** A transition as reply and history store it. */
export const toTransition = <State extends string, Event extends string>(
  machine: Machine<State, Event>,
  providerId: string | null,
  fields: JsonObject,
): Transition<State, Event> => ({
  ...toldOf(machine, providerId, fields),
  oldState: fields.old_state as State,
  newState: fields.new_state as State,
  trigger: fields.trigger as Event,
  version: Number(fields.version),
  at: String(fields.at),
  actor: String(fields.actor),
  actorKind: fields.actor_kind as Actor["kind"],
});

/** Decodes a script's `transitionReply`. */
export function decodeReply<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  providerId: string | null,
  reply: unknown,
): TransitionResult<State, Event> {
  const said = JSON.parse(String(reply)) as JsonObject;
  const fields = isObject(said.machine) ? said.machine : {};
  const snapshot = toSnapshot(machine, providerId, fields, Number(said.now));
  if (said.kind === "moved") {
    const moves = (said.moves as JsonObject[]).map((move) => toTransition(machine, providerId, move));
    return { kind: "moved", moves, snapshot };
  }
  if (said.kind === "refused") {
    const { event, state, why } = said as { event: Event; state: State; why: "illegal" | "person" };
    return { kind: "refused", event, state, why, snapshot };
  }
  return { kind: said.kind === "lost" ? "lost" : "unchanged", snapshot };
}
