/**
 * The cluster of a hunt: three masters, each with a replica that takes over when it is killed. Every master is listened to.
 * While one is replaced, and whenever the verifier's snapshot is taken, writes wait (CLIENT PAUSE), so that nothing happens
 * that is in neither the snapshot nor what is heard after it.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { standIns, upstreamNames } from "../../../src/simulator/types.ts";
import { startCluster, type TestCluster } from "../../support/redisCluster.ts";
import type { TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";
import type { HistoryWriter } from "../history.ts";
import { fleetNameOf } from "../plan.ts";
import type { Tap } from "../tap/tap.ts";
import { feed, killClients, starve } from "./redis.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { Trouble } from "./troubles.ts";

/** For so long a replica has heard nothing when its master is killed: what is lost, ms. */
const REPLICA_LAG_MS = 150;
const PAUSE_MS = 60_000;
/** Longer than a master is frozen, ms. */
const NODE_TIMEOUT_MS = 4_000;

interface ClusterTroublesOptions {
  prefix: string;
  password: string;
  history: HistoryWriter;
  newTap(): Tap;
  random: () => number;
}

const never = (): Promise<never> => Promise.reject(new Error("this does not befall a cluster"));

export class ClusterTroubles implements Trouble {
  readonly lines = undefined;
  readonly kill = never;
  readonly fillDisk = never;
  readonly stepClock = never;
  readonly machineTime = (at: number): number => at;
  readonly #o: ClusterTroublesOptions;
  readonly #cluster: TestCluster;
  readonly #taps = new Map<TestRedis, Tap>();
  /** Hash tag → the master that serves it. */
  readonly #homes = new Map<string, TestRedis>();
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: ClusterTroublesOptions, cluster: TestCluster) {
    this.#o = options;
    this.#cluster = cluster;
  }

  static async start(options: ClusterTroublesOptions): Promise<ClusterTroubles> {
    const { password } = options;
    const cluster = await startCluster({
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      client: { password, connectionName: "chaos:admin" },
      server: {
        password,
        args: [
          ...["--appendfsync", "everysec", "--requirepass", password, "--masterauth", password],
          ...["--rdbcompression", "no", "--auto-aof-rewrite-percentage", "0"],
        ],
      },
    });
    const own = new ClusterTroubles(options, cluster);
    await own.#listen("start");
    return own;
  }

  urlOf(): string {
    return this.#cluster.url;
  }

  adminOf(key: string): Redis {
    return this.#cluster.admin(this.#homes.get(/\{[^}]+\}/.exec(key)![0])!);
  }

  dataDirs(): Record<string, string> {
    return Object.fromEntries(this.#cluster.nodes.map(({ dir }, i) => [`redis${i}`, dir]));
  }

  async save(): Promise<void> {
    for (const node of this.#cluster.nodes)
      await this.#cluster
        .admin(node)
        .call("BGSAVE")
        .catch(() => undefined);
  }

  freeze(forMs: number): Promise<void> {
    return this.#withOne("frozen", async (_admin, { pid }) => {
      process.kill(pid, "SIGSTOP");
      await sleep(forMs);
      process.kill(pid, "SIGCONT");
    });
  }

  starve(forMs: number): Promise<void> {
    return this.#withOne("out of memory", async (admin) => {
      await starve(admin);
      await sleep(forMs);
      await feed(admin);
    });
  }

  flushScripts(): Promise<void> {
    return this.#alone(async () => {
      for (const node of this.#taps.keys()) await this.#cluster.admin(node).script("FLUSH");
    });
  }

  killClients(share: number): Promise<void> {
    return this.#alone(async () => {
      for (const node of this.#taps.keys())
        await killClients(this.#cluster.admin(node), share, this.#o.random);
    });
  }

  /** The master of this tag is killed; its replica takes over as it is, and the old master comes back as a replica. */
  failOver(of = ""): Promise<void> {
    return this.#alone(async () => {
      const cluster = this.#cluster;
      const key = `{${this.#o.prefix}${of}}`;
      const old = await cluster.masterOf(key);
      const next = await cluster.replicaOf(old);
      this.#o.history.now({ k: "redis", what: `failover of ${key}`, lostMs: 1_000 });
      await cluster.admin(next).call("CLIENT", "KILL", "TYPE", "master");
      await sleep(REPLICA_LAG_MS);
      const gone = this.#taps.get(old)!.detached();
      await old.kill("SIGKILL");
      await gone;
      this.#taps.delete(old);
      await cluster.admin(next).call("CLIENT", "PAUSE", PAUSE_MS, "WRITE");
      await until(async () => (await cluster.masterOf(key, old)) === next);
      await this.#listen("failover");
      this.#o.history.now({ k: "redis-back", what: "failover" });
      await old.restart();
      await cluster.settled();
    });
  }

  settled(): Promise<void> {
    return this.#turn;
  }

  async stop(): Promise<void> {
    for (const tap of this.#taps.values()) await tap.detach();
    await this.#cluster.stop();
  }

  #alone(work: () => Promise<void>): Promise<void> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined).then(() => this.#allHeard());
    return next;
  }

  #withOne(what: string, work: (admin: Redis, node: TestRedis) => Promise<void>): Promise<void> {
    return this.#alone(async () => {
      const masters = [...this.#taps.keys()];
      const node = masters[Math.floor(this.#o.random() * masters.length)]!;
      this.#o.history.now({ k: "redis", what, lostMs: 0 });
      await work(this.#cluster.admin(node), node);
      this.#o.history.now({ k: "redis-back", what });
    });
  }

  /** A machine that is too busy may make a replica take over by itself. */
  async #allHeard(): Promise<void> {
    const unheard = (await this.#cluster.masters()).filter((node) => !this.#taps.has(node));
    if (unheard.length === 0) return;
    this.#o.history.now({ k: "blind", why: "a replica took over by itself" });
    await this.#listen("unheard");
  }

  /** From here on everything is heard, and no client has written in between. */
  async #listen(why: string): Promise<void> {
    const { prefix, password, history, newTap } = this.#o;
    const masters = await this.#cluster.masters();
    const admins = masters.map((node) => this.#cluster.admin(node));
    for (const admin of admins) await admin.call("CLIENT", "PAUSE", PAUSE_MS, "WRITE");
    try {
      for (const node of masters) {
        const tap = this.#taps.get(node) ?? newTap();
        if (!this.#taps.has(node)) await tap.attach({ port: node.port, password });
        this.#taps.set(node, tap);
        // What was written before is in the snapshot: it must be heard before it too.
        const word = randomUUID();
        const heard = tap.heard(word);
        await this.#cluster.admin(node).echo(word);
        await heard;
      }
      for (const suffix of [
        "",
        ":permits",
        ...upstreamNames.map((name) => `:${name}`),
        ...standIns.map((name) => `:up:${fleetNameOf(name)}`),
      ]) {
        const tag = `{${prefix}${suffix}}`;
        this.#homes.set(tag, await this.#cluster.masterOf(tag));
      }
      history.now({ k: "snapshot", why, s: await takeSnapshot((key) => this.adminOf(key), prefix) });
    } finally {
      for (const admin of admins) await admin.call("CLIENT", "UNPAUSE");
    }
  }
}
