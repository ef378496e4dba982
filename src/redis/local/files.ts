/**
 * What lies beside the data of a local server: `<data dir>/redis/`
 *   appendonlydir/   the data       redis.log     the server's log
 *   keeper.lock      who the keeper is (exists exactly while one does, or was killed)
 *   keeper.json      what it has got so far; removed after a clean stop, so its presence tells of a crash
 *   failure.json     why the last keeper gave up
 */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { UeeError } from "../../core/errors.ts";
import type { ProcessIdentity } from "./processes.ts";

export interface LocalFiles {
  readonly home: string;
  readonly lock: string;
  readonly state: string;
  readonly failure: string;
  readonly log: string;
}

export interface KeeperState {
  phase: "starting" | "loading" | "ready" | "stopping";
  keeper: ProcessIdentity;
  server: ProcessIdentity | null;
  /** Where clients connect. The file is there only while the server is ready for them. */
  socket: string;
  /** The server's data were left by a clean stop, or are new. */
  clean: boolean;
}

export interface KeeperFailure {
  /** ms since the epoch. */
  at: number;
  message: string;
}

export function localFiles(dataDir: string): LocalFiles {
  const home = join(resolve(dataDir), "redis");
  return {
    home,
    lock: join(home, "keeper.lock"),
    state: join(home, "keeper.json"),
    failure: join(home, "failure.json"),
    log: join(home, "redis.log"),
  };
}

/** Whether a server ever kept data here. */
export const hasStore = (files: LocalFiles): boolean => existsSync(join(files.home, "appendonlydir"));

/** Longest path of a unix socket that every system takes, in bytes. */
const MAX_SOCKET_PATH = 100;

/** The suffix of a socket whose server is not ready for clients. */
export const PENDING = ".new";

/** Beside the data, or where that path is too long for a socket, in a private directory of ours. */
export function chooseSocket(files: LocalFiles): string {
  const near = join(files.home, "redis.sock");
  if (Buffer.byteLength(near + PENDING) <= MAX_SOCKET_PATH) return near;
  const { uid } = userInfo();
  const directory = join(tmpdir(), `uee-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || (uid >= 0 && found.uid !== uid) || (found.mode & 0o077) !== 0) {
    throw new UeeError(
      "SYS_REDIS_LOCAL_FAILED",
      `${directory} must be a directory of yours that nobody else may enter; it holds the socket, since UEE_DATA_DIR is too long a path for one.`,
    );
  }
  return join(directory, `${createHash("sha256").update(files.home).digest("hex").slice(0, 16)}.sock`);
}

export function readJson<Value>(path: string): Value | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Value;
  } catch {
    return undefined;
  }
}

/** At once: a reader never sees half of it. */
export function writeJson(path: string, value: unknown): void {
  const next = `${path}.${process.pid}`;
  writeFileSync(next, JSON.stringify(value), { mode: 0o600 });
  renameSync(next, path);
}
