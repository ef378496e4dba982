/**
 * One keeper for one data directory: two servers on the same append-only files would destroy them.
 *
 * Soundness: the lock is a hard link, made at once with its content. A lock whose holder is dead is removed only by who
 * holds the lock `.break`, and only after looking again under it; so between that look and the removal nobody else can
 * have replaced it.
 */
import { linkSync, rmSync, writeFileSync } from "node:fs";
import { readJson } from "./files.ts";
import { isRunning, type ProcessIdentity } from "./processes.ts";

/** @returns whether `me` holds the lock now */
export function acquireLock(path: string, me: ProcessIdentity): boolean {
  const draft = `${path}.${me.pid}`;
  writeFileSync(draft, JSON.stringify(me), { mode: 0o600 });
  try {
    if (link(draft, path)) return true;
    if (lockHolder(path)) return false;
    breakStale(draft, path);
    return link(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

export function releaseLock(path: string, me: ProcessIdentity): void {
  if (isHeldBy(path, me)) rmSync(path, { force: true });
}

export function isHeldBy(path: string, me: ProcessIdentity): boolean {
  const holder = readJson<ProcessIdentity>(path);
  return (
    holder !== undefined && holder.pid === me.pid && holder.start === me.start && holder.host === me.host
  );
}

/** The living holder; undefined when there is none or it is dead. */
export function lockHolder(path: string): ProcessIdentity | undefined {
  const holder = readJson<ProcessIdentity>(path);
  return holder && isRunning(holder) ? holder : undefined;
}

function breakStale(draft: string, path: string): void {
  const breaker = `${path}.break`;
  // Left by a process that died in the few instructions below.
  if (lockHolder(breaker) === undefined) rmSync(breaker, { force: true });
  if (!link(draft, breaker)) return;
  try {
    if (lockHolder(path) === undefined) rmSync(path, { force: true });
  } finally {
    rmSync(breaker, { force: true });
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
