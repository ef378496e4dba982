/**
 * One supervisor for one data directory: two servers on the same append-only files would destroy them.
 *
 * A lock is a file `keeper.lock.<n>` that names a unix socket beside it, on which its holder listens. Every process
 * that sees the directory on the same kernel, from any hostname, container or process namespace, can connect to it
 * while the holder lives, and no process can after its death. If the holder's boot id is another one (an earlier
 * boot, another machine, a sandbox with its own kernel), a socket proves nothing; then a file that the holder
 * rewrites every second is checked.
 *
 * Why this is safe: the highest number counts, and numbers only grow. To take over after number n, a supervisor links
 * its complete file as n + 1, which succeeds for one of them, and holds the lock only if n + 1 is then the highest. A
 * released lock remains as a file marked as released; only files below the highest are ever removed. A slow
 * supervisor that links an old number therefore sees a higher one and gives up.
 */
import { randomBytes } from "node:crypto";
import { linkSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type LocalFiles, PENDING_SOCKET, readJson, SOCKET, socketPath, writeJson } from "./files.ts";
import { bootId, identify, type ProcessIdentity } from "./processes.ts";
import { listens } from "./sockets.ts";

export interface Holder extends ProcessIdentity {
  id: string;
  /** Name of the socket on which the holder listens. */
  socket: string;
}

export interface SupervisorLock {
  readonly id: string;
  /** Whether the lock is still ours: the directory may be deleted, or taken over after a long sleep of this machine. */
  held(): boolean;
  release(): Promise<void>;
}

const BEAT_MS = 1_000;
/**
 * A beat this much older than a file written now belongs to a dead holder. Both times come from the same file system.
 */
const DEAD_AFTER_MS = 30_000;
/** How long a younger beat is observed. */
const WATCH_MS = 4_000;

/** The command that a supervisor accepts through its socket. */
export const STOP_WORD = "stop\n";

export const newLockId = (): string => randomBytes(6).toString("hex");

/**
 * @param id from `newLockId`
 * @param onStop called when a command requests the stop
 * @returns undefined when another supervisor holds the lock
 */
export async function acquireLock(
  files: LocalFiles,
  id: string,
  onStop: () => void,
): Promise<SupervisorLock | undefined> {
  const me = identify(process.pid);
  if (!me) throw new Error("this process cannot be identified");
  const holder: Holder = { ...me, id, socket: `keeper-${id}.sock` };
  const server = await listen(socketPath(files, holder.socket), onStop);
  const draft = join(files.home, `draft.${id}`);
  try {
    writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
    const newest = newestLock(files);
    if (newest?.holder && (await lifeOf(files, newest.holder))) return await leave(server);
    const path = `${files.lock}.${(newest?.number ?? 0) + 1}`;
    if (!link(draft, path)) return await leave(server);
    if (newestLock(files)?.path !== path) {
      rmSync(path, { force: true });
      return await leave(server);
    }
    removeOlder(files, path);
    await removeDeadSockets(files);
    return held(files, path, holder, server);
  } catch (error) {
    await leave(server);
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * The live holder; undefined when there is none. `reachable`: its sockets can be connected to from here; otherwise
 * only its beat shows that it lives.
 */
export async function lockHolder(
  files: LocalFiles,
): Promise<{ holder: Holder; reachable: boolean } | undefined> {
  const holder = newestLock(files)?.holder;
  const life = holder && (await lifeOf(files, holder));
  return holder && life && { holder, reachable: life === "listens" };
}

function held(files: LocalFiles, path: string, holder: Holder, server: Server): SupervisorLock {
  let count = 0;
  const beat = () => {
    try {
      writeFileSync(files.beat, `${holder.id} ${String(++count).padStart(12, "0")}`, { mode: 0o600 });
    } catch {
      // A full disk, or a deleted directory: `held` reports it.
    }
  };
  beat();
  const timer = setInterval(beat, BEAT_MS);
  const stillOurs = () => readJson<Holder>(path)?.id === holder.id && newestLock(files)?.path === path;
  return {
    id: holder.id,
    held: stillOurs,
    release: async () => {
      clearInterval(timer);
      if (stillOurs()) writeJson(path, { released: holder.id });
      await leave(server);
    },
  };
}

interface WrittenLock {
  number: number;
  path: string;
  /** Undefined: it was released. */
  holder: Holder | undefined;
}

function newestLock(files: LocalFiles): WrittenLock | undefined {
  let newest: { number: number; name: string } | undefined;
  for (const name of namesIn(files.home)) {
    const number = numberOf(files, name);
    if (number !== undefined && number >= (newest?.number ?? 0)) newest = { number, name };
  }
  if (!newest) return undefined;
  const path = join(files.home, newest.name);
  const content = readJson<Holder & { released?: string }>(path);
  return {
    number: newest.number,
    path,
    holder: content && content.released === undefined ? content : undefined,
  };
}

/** The number of a lock file; 0 for the one without a number, as earlier versions wrote it. */
function numberOf(files: LocalFiles, name: string): number | undefined {
  const prefix = basename(files.lock);
  if (name === prefix) return 0;
  const digits = name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : "";
  return /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function lifeOf(files: LocalFiles, holder: Holder): Promise<"listens" | "beats" | undefined> {
  // Earlier versions named no socket: their server is checked.
  const sockets = holder.socket === undefined ? [SOCKET, PENDING_SOCKET] : [holder.socket];
  for (const name of sockets) if (await listens(socketPath(files, name))) return "listens";
  const isElsewhere = holder.socket !== undefined && (bootId === undefined || holder.boot !== bootId);
  return isElsewhere && (await beats(files, holder)) ? "beats" : undefined;
}

/** Whether a holder on another kernel is active. */
async function beats(files: LocalFiles, { id }: Holder): Promise<boolean> {
  const before = readText(files.beat);
  if (before === undefined || !before.startsWith(id)) return false;
  if (ageOf(files) > DEAD_AFTER_MS) return false;
  const deadline = performance.now() + WATCH_MS;
  while (performance.now() < deadline) {
    await sleep(200);
    const now = readText(files.beat);
    // The beat of another supervisor, which has taken over from this one.
    if (now !== undefined && now !== before) return now.startsWith(id);
  }
  return false;
}

/** Age of the last beat compared with a file written now, ms. */
function ageOf(files: LocalFiles): number {
  const probe = join(files.home, `now.${newLockId()}`);
  try {
    writeFileSync(probe, "now");
    return statSync(probe).mtimeMs - statSync(files.beat).mtimeMs;
  } finally {
    rmSync(probe, { force: true });
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function listen(path: string, onStop: () => void): Promise<Server> {
  const server = createServer((connection) => {
    connection.on("error", () => {});
    connection.setTimeout(5_000, () => connection.destroy());
    connection.on("data", (chunk) => {
      if (chunk.toString("latin1") === STOP_WORD) onStop();
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

/** Stops listening, which removes the socket. */
async function leave(server: Server): Promise<undefined> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.unref();
    // Connections of commands that only look are closed at once; none may keep the process alive.
    setTimeout(resolve, 200).unref();
  });
  return undefined;
}

function removeOlder(files: LocalFiles, path: string): void {
  for (const name of namesIn(files.home)) {
    const number = numberOf(files, name);
    if (number !== undefined && number < (numberOf(files, basename(path)) ?? 0)) {
      rmSync(join(files.home, name), { force: true });
    }
  }
}

/** Sockets of supervisors that were killed. */
async function removeDeadSockets(files: LocalFiles): Promise<void> {
  for (const name of namesIn(files.home)) {
    if (!/^keeper-[0-9a-f]+\.sock$/.test(name)) continue;
    if (!(await listens(socketPath(files, name)))) rmSync(join(files.home, name), { force: true });
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
