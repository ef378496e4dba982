/**
 * Who a process is, precisely enough to tell from the same machine whether it is dead. A pid alone is reused; pid with
 * start time, boot and pid namespace is not. Where that cannot be told, nothing is concluded.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Actor } from "../core/actor.ts";

export interface ProcessIdentity {
  host: string;
  pid: number;
  /** Boot id and pid namespace: pids compare only within both. Empty where the system does not say. */
  scope: string;
  /** Start time in clock ticks since boot; empty where unknown. */
  started: string;
}

const readOr = (fallback: string, read: () => string): string => {
  try {
    return read();
  } catch {
    return fallback;
  }
};

const scopeOfThisProcess = (): string =>
  readOr("", () => {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  });

/** Field 22 of /proc/<pid>/stat; the command in parentheses may hold anything. Zombies count as dead. */
function startTicks(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "dead" : (fields[19] ?? "");
}

export const thisProcess = (): ProcessIdentity => ({
  host: hostname(),
  pid: process.pid,
  scope: scopeOfThisProcess(),
  started: readOr("", () => startTicks(process.pid)),
});

let known: string | undefined;

/** This process, as one word. `processOf` reads it. */
export const processKey = (): string => {
  known ??= JSON.stringify(thisProcess());
  return known;
};

export const processOf = (key: string): ProcessIdentity => JSON.parse(key) as ProcessIdentity;

/** True only when it is certain. */
export function isDead(other: ProcessIdentity): boolean {
  const scope = scopeOfThisProcess();
  if (scope === "" || other.started === "" || other.scope !== scope) return false;
  return readOr("dead", () => startTicks(other.pid)) !== other.started;
}

/** This process as the actor that holds permits and moves state machines. */
export const processActor = (): Actor => ({ kind: "engine", name: `${hostname()}:${process.pid}` });
