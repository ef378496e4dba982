/**
 * Who a process is, precisely enough to tell from the same machine whether it is dead. A pid alone is reused; pid with
 * start time, boot and pid namespace is not. Where that cannot be told, nothing is concluded.
 */
import { hostname } from "node:os";
import type { Actor } from "../core/actor.ts";
import { bootId, namespace, processStart } from "../redis/local/processes.ts";

export interface ProcessIdentity {
  host: string;
  pid: number;
  /** Boot id and pid namespace: pids compare only within both. Empty where the system does not say. */
  scope: string;
  /** Start time in clock ticks since boot; empty where unknown. */
  started: string;
}

const scope = bootId === undefined || namespace === "unknown" ? "" : `${bootId} ${namespace}`;

export const thisProcess = (): ProcessIdentity => ({
  host: hostname(),
  pid: process.pid,
  scope,
  started: processStart(process.pid) ?? "",
});

let known: string | undefined;

/** This process, as one word. `processOf` reads it. */
export const processKey = (): string => {
  known ??= JSON.stringify(thisProcess());
  return known;
};

export const processOf = (key: string): ProcessIdentity => JSON.parse(key) as ProcessIdentity;

/** True only when it is certain. Zombies count as dead. */
export const isDead = (other: ProcessIdentity): boolean =>
  scope !== "" && other.started !== "" && other.scope === scope && processStart(other.pid) !== other.started;

/** This process as the actor that holds permits and moves state machines. */
export const processActor = (): Actor => ({ kind: "engine", name: `${hostname()}:${process.pid}` });
