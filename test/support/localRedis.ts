/** Helpers for tests of the managed local server: its supervisor runs from the sources, as the tests themselves do. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { localFiles, readJson, type SupervisorState } from "../../src/redis/local/files.ts";
import { type LocalRedis, type LocalRedisOptions, localRedis } from "../../src/redis/local/localRedis.ts";
import type { Holder } from "../../src/redis/local/lock.ts";
import { identify, type ProcessIdentity } from "../../src/redis/local/processes.ts";

const inRepo = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const nodeOnSources = (file: string): [string, ...string[]] => [
  process.execPath,
  "--import",
  inRepo("scripts/ts-loader.mjs"),
  inRepo(file),
];

export const supervisorCommand = nodeOnSources("src/redis/local/supervisorMain.ts");

/** A data directory whose server and supervisor are ended, and which is removed, at `dispose`. */
export class LocalStore {
  readonly dataDir: string;
  private readonly clients: Redis[] = [];
  private readonly handles: LocalRedis[] = [];

  constructor(dataDir = mkdtempSync(join(tmpdir(), "uee-local-"))) {
    this.dataDir = dataDir;
  }

  async open(options: Partial<LocalRedisOptions> = {}): Promise<LocalRedis> {
    const handle = await localRedis({ dataDir: this.dataDir, idleMs: 60_000, supervisorCommand, ...options });
    this.handles.push(handle);
    return handle;
  }

  client(handle: LocalRedis): Redis {
    const redis = new Redis({ path: handle.socket, retryStrategy: () => 20, disconnectTimeout: 100 });
    redis.on("error", () => {});
    this.clients.push(redis);
    return redis;
  }

  /** All clients disconnect; the server stays until it is idle for long enough. */
  leave(): void {
    for (const redis of this.clients.splice(0)) if (redis.status !== "end") redis.disconnect();
    for (const handle of this.handles.splice(0)) handle.release();
  }

  get supervisorPid(): number | undefined {
    return pidOf(writtenSupervisor(this.dataDir));
  }

  get serverPid(): number | undefined {
    return pidOf(readJson<SupervisorState>(localFiles(this.dataDir).state)?.server);
  }

  async dispose(): Promise<void> {
    this.leave();
    // Supervisors that came too late for the lock may still be starting, and would find it free now: they first.
    const pids = new Set([...this.startingSupervisors(), this.supervisorPid, this.serverPid]);
    for (const pid of pids) if (pid !== undefined && alive(pid)) process.kill(pid, "SIGKILL");
    for (const pid of pids) if (pid !== undefined) await until(() => !alive(pid));
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  private startingSupervisors(): number[] {
    if (process.platform !== "linux") return [];
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => {
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
          return line.includes("supervisorMain") && line.includes(`"${this.dataDir}`);
        } catch {
          return false;
        }
      });
  }
}

/** Undefined for a process of another process namespace: here its number is another process's. */
const pidOf = (identity: ProcessIdentity | null | undefined): number | undefined =>
  identity && isSameNamespace(identity) ? identity.pid : undefined;

function isSameNamespace({ namespace, boot }: ProcessIdentity): boolean {
  const me = identify(process.pid);
  return me?.namespace === namespace && me.boot === boot;
}

/** What the newest lock says; undefined when it was released. */
export function writtenSupervisor(dataDir: string): Holder | undefined {
  const { home } = localFiles(dataDir);
  const names = existsSync(home) ? readdirSync(home).filter((name) => name.startsWith("keeper.lock")) : [];
  const newest = names.sort((a, b) => Number(a.split(".")[2] ?? 0) - Number(b.split(".")[2] ?? 0)).at(-1);
  const content = newest && readJson<Holder & { released?: string }>(join(home, newest));
  return content && content.released === undefined ? content : undefined;
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // In a container without an init no process reaps orphans: what is left of them is not alive.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}

/** Resolves when the condition holds; fails after 30 s. */
export async function until(condition: () => boolean | Promise<boolean>, what = "it"): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen in 30 s`);
    await sleep(10);
  }
}
