import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type LocalFiles, localFiles, writeJson } from "../../../src/redis/local/files.ts";
import { acquireLock, lockHolder, newLockId, type SupervisorLock } from "../../../src/redis/local/lock.ts";
import { identify, isRunning } from "../../../src/redis/local/processes.ts";

describe("the lock of a data directory", () => {
  let dir: string;
  let files: LocalFiles;
  const locks: SupervisorLock[] = [];
  const me = identify(process.pid)!;
  const acquire = async (): Promise<SupervisorLock | undefined> => {
    const lock = await acquireLock(files, newLockId(), () => {});
    if (lock) locks.push(lock);
    return lock;
  };
  const holderId = async () => (await lockHolder(files))?.holder.id;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "uee-lock-"));
    files = { ...localFiles(dir), home: dir, lock: join(dir, "keeper.lock"), beat: join(dir, "keeper.beat") };
  });
  afterEach(async () => {
    for (const lock of locks.splice(0)) await lock.release();
    rmSync(dir, { recursive: true, force: true });
  });

  test("is held by one, refused to another, and free when released", async () => {
    const first = await acquire();
    expect(first?.held()).toBe(true);
    expect(await acquire()).toBeUndefined();
    expect(await holderId()).toBe(first?.id);
    await first?.release();
    expect(await holderId()).toBeUndefined();
    const second = await acquire();
    expect(second?.held()).toBe(true);
    expect(first?.held()).toBe(false);
    expect(readdirSync(dir).sort()).toEqual([
      "keeper-".concat(second!.id, ".sock"),
      "keeper.beat",
      "keeper.lock.2",
    ]);
  });

  test("is held by one of eight that take it over at the same moment", async () => {
    writeJson(`${files.lock}.7`, { ...me, id: "dead", socket: "keeper-dead.sock" });
    const taken = await Promise.all(Array.from({ length: 8 }, acquire));
    const holders = taken.filter((lock) => lock?.held());
    expect(holders).toHaveLength(1);
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await holderId()).toBe(holders[0]?.id);
  });

  test.each([
    ["a holder that listens no more", {}],
    ["an earlier boot whose holder last beat long ago", { boot: "earlier" }],
  ])("left by %s is taken over at once", async (_who, change) => {
    writeJson(`${files.lock}.3`, { ...me, id: "dead", socket: "keeper-dead.sock", ...change });
    writeFileSync(files.beat, "dead 1");
    utimesSync(files.beat, 1, 1);
    expect(await lockHolder(files)).toBeUndefined();
    expect((await acquire())?.held()).toBe(true);
  });

  test("is not taken from a holder on another kernel that beats", async () => {
    writeJson(`${files.lock}.3`, { ...me, id: "far", socket: "keeper-far.sock", boot: "another" });
    let beats = 0;
    writeFileSync(files.beat, "far 0");
    const timer = setInterval(() => writeFileSync(files.beat, `far ${++beats}`), 100);
    try {
      expect(await lockHolder(files)).toMatchObject({ holder: { id: "far" }, reachable: false });
      expect(await acquire()).toBeUndefined();
    } finally {
      clearInterval(timer);
    }
  });

  test("is not taken from a holder of another process namespace and hostname that listens", async () => {
    const server = createServer().listen(join(dir, "keeper-near.sock"));
    writeJson(`${files.lock}.3`, {
      ...me,
      pid: 2 ** 22 + 1,
      namespace: "pid:[1]",
      id: "near",
      socket: "keeper-near.sock",
    });
    try {
      expect(await lockHolder(files)).toMatchObject({ holder: { id: "near" }, reachable: true });
      expect(await acquire()).toBeUndefined();
    } finally {
      server.close();
    }
  });

  test("is lost by a holder whose directory another one took over", async () => {
    const lock = await acquire();
    writeJson(`${files.lock}.9`, { ...me, id: "later", socket: "keeper-later.sock" });
    expect(lock?.held()).toBe(false);
    await lock?.release();
    expect(readdirSync(dir)).toContain("keeper.lock.9");
  });

  test("tells its holder of a command that asks for the stop", async () => {
    let stopped = false;
    const lock = await acquireLock(files, newLockId(), () => {
      stopped = true;
    });
    locks.push(lock!);
    const { connect } = await import("node:net");
    connect(join(dir, `keeper-${lock?.id}.sock`)).end("stop\n");
    while (!stopped) await sleep(1);
    expect(stopped).toBe(true);
  });

  test("tells processes apart by boot, process namespace and start", () => {
    expect(isRunning(me)).toBe(true);
    for (const other of [{ start: "0" }, { boot: "earlier" }, { namespace: "pid:[1]" }]) {
      expect(isRunning({ ...me, ...other })).toBe(false);
    }
    expect(identify(0)).toBeUndefined();
  });
});
