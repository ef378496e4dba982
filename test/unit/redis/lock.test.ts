import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { acquireLock, lockHolder, releaseLock } from "../../../src/redis/local/lock.ts";
import { identify, isRunning } from "../../../src/redis/local/processes.ts";

describe("the lock of a data directory", () => {
  let dir: string;
  let path: string;
  const me = identify(process.pid)!;
  const parent = identify(process.ppid)!;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "uee-lock-"));
    path = join(dir, "lock");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test("is had by one, refused to another, and free again when released", () => {
    expect(acquireLock(path, me)).toBe(true);
    expect(acquireLock(path, parent)).toBe(false);
    expect(lockHolder(path)).toEqual(me);
    releaseLock(path, parent);
    expect(lockHolder(path)).toEqual(me);
    releaseLock(path, me);
    expect(acquireLock(path, parent)).toBe(true);
    expect(readdirSync(dir)).toEqual(["lock"]);
  });

  test.each([
    ["a process that is gone", { ...me, pid: 2 ** 22 + 1 }],
    ["an earlier process with the same pid", { ...me, start: "1" }],
    ["another host", { ...me, host: `not-${hostname()}` }],
  ])("left by %s is taken over", (_who, holder) => {
    writeFileSync(path, JSON.stringify(holder));
    expect(lockHolder(path)).toBeUndefined();
    expect(acquireLock(path, me)).toBe(true);
    expect(lockHolder(path)).toEqual(me);
  });

  test("is not taken over while a living process breaks it, and is when that one died at it", () => {
    writeFileSync(path, JSON.stringify({ ...me, start: "1" }));
    writeFileSync(`${path}.break`, JSON.stringify(parent));
    expect(acquireLock(path, me)).toBe(false);
    writeFileSync(`${path}.break`, JSON.stringify({ ...parent, start: "1" }));
    expect(acquireLock(path, me)).toBe(true);
  });

  test("tells processes apart by their start", () => {
    expect(isRunning(me)).toBe(true);
    expect(isRunning({ ...me, start: "0" })).toBe(false);
    expect(identify(0)).toBeUndefined();
  });
});
