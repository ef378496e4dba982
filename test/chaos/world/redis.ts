/**
 * The Redis of a hunt and all that may happen to it. Append-only with `everysec`, on a small file system of its own where
 * we may mount one, so that it can be full.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { hasFakeClock } from "../../support/fakeClock.ts";
import { sizeOf } from "../../support/liveFiles.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";

const DISK_MB = 320;

export interface Disk {
  dir: string;
  /** It can be filled. */
  small: boolean;
  remove(): void;
}

/** A file system of its own where that is allowed, else a plain directory. */
export function makeDisk(): Disk {
  const dir = mkdtempSync(join(tmpdir(), "uee-chaos-redis-"));
  let small = false;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m`, "tmpfs", dir], { stdio: "ignore" });
    small = true;
  } catch {
    // Not root, or no such right: what a full disk does to Redis is provoked otherwise.
  }
  const remove = (): void => {
    process.off("exit", remove);
    if (small) {
      try {
        execFileSync("umount", ["-l", dir], { stdio: "ignore" });
      } catch {
        // gone already
      }
    }
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  };
  // However the hunt ends, nothing stays mounted.
  process.on("exit", remove);
  return { dir, small, remove };
}

export class ChaosRedis {
  readonly disk: Disk;
  #server!: TestRedis;
  /** Ours: past every proxy. */
  admin!: Redis;
  /** How long its append-only file was, and when; the newest last. */
  #sizes: { at: number; bytes: number }[] = [];
  #watch: NodeJS.Timeout | undefined;

  private constructor(disk: Disk) {
    this.disk = disk;
  }

  static async start(password: string, extra: string[] = []): Promise<ChaosRedis> {
    const own = new ChaosRedis(makeDisk());
    const dir = join(own.disk.dir, "data");
    mkdirSync(dir);
    own.#server = await startRedis({
      fakeClock: hasFakeClock,
      appendonly: true,
      dir,
      password,
      args: [
        ...["--appendfsync", "everysec", "--requirepass", password, "--masterauth", password],
        // The searched files hold what was written, not what was compressed; and one file grows from start to end.
        ...["--rdbcompression", "no", "--auto-aof-rewrite-percentage", "0"],
        ...["--repl-diskless-sync-delay", "0", ...extra],
      ],
    });
    own.admin = own.#server.client({ connectionName: "chaos:admin" });
    await own.admin.ping();
    own.#watch = setInterval(() => own.#measure(), 40);
    return own;
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    return this.#server.pid;
  }

  get dataDir(): string {
    return this.#server.dir;
  }

  #aofFiles(): string[] {
    const dir = join(this.dataDir, "appendonlydir");
    try {
      return readdirSync(dir)
        .filter((name) => name.endsWith(".incr.aof"))
        .sort((a, b) => Number(/\.(\d+)\.incr/.exec(a)?.[1]) - Number(/\.(\d+)\.incr/.exec(b)?.[1]))
        .map((name) => join(dir, name));
    } catch {
      return [];
    }
  }

  #measure(): void {
    const file = this.#aofFiles().at(-1);
    const bytes = file === undefined ? undefined : sizeOf(file);
    if (bytes === undefined) return;
    this.#sizes.push({ at: Date.now(), bytes });
    if (this.#sizes.length > 200) this.#sizes.splice(0, 100);
  }

  /** Ends it at once; the last `lostMs` of its append-only file go with it. Returns how many bytes they were. */
  async kill(lostMs = 0): Promise<number> {
    const until = Date.now() - lostMs;
    await this.#server.kill("SIGKILL");
    const file = this.#aofFiles().at(-1);
    if (lostMs === 0 || file === undefined) return 0;
    const kept = this.#sizes.findLast(({ at }) => at <= until)?.bytes;
    const size = statSync(file).size;
    if (kept === undefined || kept >= size) return 0;
    truncateSync(file, kept);
    return size - kept;
  }

  async restart(): Promise<void> {
    this.#sizes = [];
    await this.#server.restart();
    await this.admin.ping();
  }

  /** False where libfaketime is not installed. */
  setClock(offsetMs: number): boolean {
    if (hasFakeClock) this.#server.setClock(offsetMs);
    return hasFakeClock;
  }

  freeze(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.pid, "SIGCONT");
  }

  starve(): Promise<void> {
    return starve(this.admin);
  }

  feed(): Promise<void> {
    return feed(this.admin);
  }

  /** Returns how. */
  async fillDisk(): Promise<string> {
    if (!this.disk.small) {
      await this.admin.config("SET", "min-replicas-to-write", "1");
      return "its writes are refused for want of a replica (no file system of its own here)";
    }
    const file = openSync(join(this.disk.dir, "fill"), "a");
    const chunk = Buffer.alloc(1024 * 1024);
    let step = chunk.length;
    try {
      // Until not a byte is left.
      while (step >= 1) {
        try {
          writeSync(file, chunk, 0, step);
        } catch {
          step = Math.floor(step / 16);
        }
      }
    } finally {
      closeSync(file);
    }
    return "not a byte is left on its disk";
  }

  async emptyDisk(): Promise<void> {
    if (this.disk.small) rmSync(join(this.disk.dir, "fill"), { force: true });
    else await this.admin.config("SET", "min-replicas-to-write", "0");
  }

  killClients(share: number, random: () => number): Promise<number> {
    return killClients(this.admin, share, random);
  }

  /** Follows another server, as a replica; through a line that is late. */
  async follow(port: number): Promise<void> {
    await this.admin.replicaof("127.0.0.1", port);
  }

  async linked(): Promise<boolean> {
    return /^master_link_status:up/m.test(await this.admin.info("replication"));
  }

  async promote(): Promise<void> {
    await this.admin.call("REPLICAOF", "NO", "ONE");
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    try {
      this.thaw();
    } catch {
      // it does not run
    }
    await this.#server.stop();
    this.disk.remove();
  }
}

/** Less than it holds already. */
export async function starve(admin: Redis): Promise<void> {
  const used = Number(/^used_memory:(\d+)/m.exec(await admin.info("memory"))?.[1]);
  await admin.config("SET", "maxmemory", String(Math.max(1_000_000, Math.floor(used * 0.9))));
}

export async function feed(admin: Redis): Promise<void> {
  await admin.config("SET", "maxmemory", "0");
}

/** Closes connections of the fleet, about this share of them. Returns how many. */
export async function killClients(admin: Redis, share: number, random: () => number): Promise<number> {
  const list = String(await admin.client("LIST"));
  let killed = 0;
  for (const line of list.split("\n")) {
    const id = /^id=(\d+)/.exec(line)?.[1];
    const name = / name=(\S*)/.exec(line)?.[1] ?? "";
    if (id === undefined || name === "chaos:admin" || name === "chaos:tap" || random() >= share) continue;
    if (/ flags=[^ ]*[OSM]/.test(line)) continue;
    killed += Number(await admin.call("CLIENT", "KILL", "ID", id));
  }
  return killed;
}
