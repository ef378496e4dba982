/**
 * Files beside the data of a local server: `<data dir>/redis/`
 *   appendonlydir/     the data
 *   redis.log          the server's log
 *   redis.sock         where clients connect; `redis.sock.new` while the server loads its data
 *   keeper.lock.<n>    the supervisor; the highest number counts (lock.ts)
 *   keeper-<id>.sock   where that supervisor listens as long as it lives
 *   keeper.beat        changes every second while a supervisor lives
 *   keeper.json        its state; removed after a clean stop, so its presence indicates a crash
 */

import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isUeeError, UeeError } from "../../core/errors.ts";
import { sha256 } from "../../core/sha256.ts";
import type { ProcessIdentity } from "./processes.ts";

export interface LocalFiles {
  /** UEE_DATA_DIR, absolute. */
  readonly dataDir: string;
  readonly home: string;
  readonly lock: string;
  readonly beat: string;
  readonly state: string;
  readonly log: string;
}

export interface SupervisorState {
  phase: "starting" | "loading" | "ready" | "stopping";
  /** Lock id of the supervisor. The name is that of the stored file. */
  keeper: string;
  server: ProcessIdentity | null;
  /** The server's data are from a clean stop, or new. */
  clean: boolean;
}

export function localFiles(dataDir: string): LocalFiles {
  const home = join(resolve(dataDir), "redis");
  return {
    dataDir: resolve(dataDir),
    home,
    lock: join(home, "keeper.lock"),
    beat: join(home, "keeper.beat"),
    state: join(home, "keeper.json"),
    log: join(home, "redis.log"),
  };
}

/** Whether a server ever stored data here. */
export const hasStore = (files: LocalFiles): boolean => existsSync(join(files.home, "appendonlydir"));

/** Longest path of a unix socket that every system accepts, in bytes. */
const MAX_SOCKET_PATH = 100;

export const SOCKET = "redis.sock";

/** The name of the socket while its server is not ready for clients. */
export const PENDING_SOCKET = "redis.sock.new";

const LONGEST_NAME = "keeper-0123456789ab.sock";

/**
 * The path by which this process reaches a socket in the server's directory. The sockets themselves always lie there,
 * visible to every process that sees the directory; when the path is too long for a socket, a symbolic link is used.
 */
export function socketPath(files: LocalFiles, name: string): string {
  if (Buffer.byteLength(join(files.home, LONGEST_NAME)) <= MAX_SOCKET_PATH) return join(files.home, name);
  const uid = process.geteuid?.() ?? 0;
  const directory = join(tmpdir(), `uee-${uid}`);
  const link = join(directory, sha256(files.home).slice(0, 16));
  if (linkTarget(link) === files.home && isPrivate(directory, uid)) return join(link, name);
  try {
    makeDirectory(directory);
    if (!isPrivate(directory, uid)) {
      throw new UeeError(
        "SYS_DATA_DIR",
        `${directory} must be a directory of yours that no other user may enter: the path of the data directory ` +
          `${files.dataDir} is too long for a socket, and a shorter link to it is kept there.`,
      );
    }
    rmSync(link, { force: true });
    symlinkSync(files.home, link);
  } catch (error) {
    // Another process of ours created it first.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unusable(files, error);
  }
  return join(link, name);
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

function isPrivate(directory: string, uid: number): boolean {
  const found = lstatSync(directory);
  return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0;
}

/** A disk that accepts less than this cannot hold the first files of a server. */
const PROBE_BYTES = 64 * 1024;

/** Whether the server's directory exists. @throws UeeError SYS_DATA_DIR when that cannot be determined */
export function isThere(files: LocalFiles): boolean {
  try {
    if (!statSync(files.home).isDirectory()) throw unusable(files, { code: "ENOTDIR" });
    accessSync(files.home, constants.R_OK | constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw unusable(files, error);
  }
}

/** Checks that a server can be started here. @throws UeeError SYS_DATA_DIR that names the directory and the reason */
export function assertWritable(files: LocalFiles): void {
  const probe = join(files.home, `probe.${process.pid}.${Math.random().toString(36).slice(2)}`);
  try {
    makeDirectory(files.home);
    writeFileSync(probe, Buffer.alloc(PROBE_BYTES, 1));
  } catch (error) {
    throw unusable(files, error);
  } finally {
    rmSync(probe, { force: true });
  }
  // Files written by a server of one user would not be readable for another user.
  const { uid } = statSync(files.home);
  const ours = process.geteuid?.();
  if (ours !== undefined && uid !== ours) {
    throw unusableBecause(files, `it belongs to the user ${uid}, and this command runs as ${ours}`);
  }
}

/** Creates parent folders too. Node's own recursive mkdir never returns under /proc, and hides the reason elsewhere. */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    if (code !== "ENOENT" || existsSync(dirname(path))) throw error;
    makeDirectory(dirname(path));
    makeDirectory(path);
  }
}

const reasons: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of its path is not a directory",
  EEXIST: "a part of its path is not a directory",
  ENOENT: "it cannot be created",
  ENAMETOOLONG: "its path is too long",
  ELOOP: "its path leads in a circle",
};

export function unusable(files: LocalFiles, error: unknown): UeeError {
  if (isUeeError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return unusableBecause(files, reasons[code ?? ""] ?? message ?? "the reason is unknown");
}

export const unusableBecause = (files: LocalFiles, why: string): UeeError =>
  new UeeError("SYS_DATA_DIR", `The data directory ${files.dataDir} cannot be used: ${why}.`);

export function readJson<Value>(path: string): Value | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Value;
  } catch {
    return undefined;
  }
}

/** Atomic: a reader sees the old value or the new one. */
export function writeJson(path: string, value: unknown): void {
  const next = `${path}.${process.pid}`;
  try {
    writeFileSync(next, JSON.stringify(value), { mode: 0o600 });
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}
