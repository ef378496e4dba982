/** Everything that may befall the Redis of a hunt, one at a time, each with what the verifier must know of it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { startTcpProxy, type TcpProxy } from "../../support/tcpProxy.ts";
import type { HistoryWriter } from "../history.ts";
import type { Mode } from "../plan.ts";
import type { Tap } from "../tap/tap.ts";
import { Lines } from "./lines.ts";
import { ChaosRedis } from "./redis.ts";
import { takeSnapshot } from "./snapshot.ts";

/** How far a replica is behind, ms: what a failover takes with it. */
const REPLICA_LAG_MS = 150;

export interface TroublesOptions {
  prefix: string;
  password: string;
  mode: Mode;
  history: HistoryWriter;
  tap: Tap;
  random: () => number;
}

/** A Redis, or a cluster of them, and what may befall it. */
export interface Trouble
  extends Pick<
    Troubles,
    | "urlOf"
    | "adminOf"
    | "dataDirs"
    | "save"
    | "kill"
    | "freeze"
    | "starve"
    | "fillDisk"
    | "machineTime"
    | "stepClock"
    | "flushScripts"
    | "killClients"
    | "settled"
    | "stop"
  > {
  /** None to a cluster. */
  readonly lines: Lines | undefined;
  failOver(of?: string): Promise<void>;
}

export class Troubles {
  readonly #o: TroublesOptions;
  /** The one in service, and in failover mode the other one. */
  #redis!: ChaosRedis;
  #other: ChaosRedis | undefined;
  #replication: { proxy: TcpProxy; target: { port: number } } | undefined;
  lines!: Lines;
  /** One trouble at a time: the next waits for its end. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: TroublesOptions) {
    this.#o = options;
  }

  static async start(options: TroublesOptions & { lines: number }): Promise<Troubles> {
    const own = new Troubles(options);
    own.#redis = await ChaosRedis.start(options.password);
    if (options.mode === "failover") {
      own.#other = await ChaosRedis.start(options.password);
      const target = { port: own.#redis.port };
      own.#replication = { target, proxy: await startTcpProxy(target) };
      own.#replication.proxy.delay(REPLICA_LAG_MS);
      await own.#follow();
    }
    own.lines = await Lines.start(options.lines, own.#redis.port);
    await own.#listen("start");
    return own;
  }

  /** What a worker, or a person, on this line connects to; none: past every line. */
  urlOf(line?: number): string {
    const port = line === undefined ? this.#redis.port : this.lines.port(line);
    return `redis://:${this.#o.password}@127.0.0.1:${port}`;
  }

  /** A client past every line, of the server that has the key. */
  adminOf(_key: string): Redis {
    return this.#redis.admin;
  }

  dataDirs(): Record<string, string> {
    return { redis: this.#redis.dataDir };
  }

  /** Writes a snapshot to disk, so that what memory holds is searched too. */
  async save(): Promise<void> {
    await this.#redis.admin.call("BGSAVE").catch(() => undefined);
  }

  /** From here on everything is recorded; no client has sent a command yet. */
  async #listen(why: string): Promise<void> {
    const { tap, history, prefix, password } = this.#o;
    await tap.attach({ port: this.#redis.port, password });
    history.now({ k: "snapshot", why, s: await takeSnapshot(() => this.#redis.admin, prefix) });
  }

  async #follow(): Promise<void> {
    const { proxy } = this.#replication!;
    await this.#other!.follow(proxy.port);
    while (!(await this.#other!.linked())) await sleep(50);
  }

  #alone(work: () => Promise<void>): Promise<void> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }

  kill(what: string, options: { downMs: number; lostMs: number }): Promise<void> {
    return this.#alone(async () => {
      const { history, tap } = this.#o;
      history.now({ k: "redis", what, lostMs: options.lostMs });
      const gone = tap.detached();
      const bytes = await this.#redis.kill(options.lostMs);
      await gone;
      this.lines.shut();
      await sleep(options.downMs);
      await this.#redis.restart();
      await this.#listen(`${what}, ${bytes} bytes lost`);
      this.lines.open();
      history.now({ k: "redis-back", what });
    });
  }

  freeze(forMs: number): Promise<void> {
    return this.#alone(async () => {
      this.#o.history.now({ k: "redis", what: "frozen", lostMs: 0 });
      this.#redis.freeze();
      await sleep(forMs);
      this.#redis.thaw();
      this.#o.history.now({ k: "redis-back", what: "frozen" });
    });
  }

  starve(forMs: number): Promise<void> {
    return this.#alone(async () => {
      this.#o.history.now({ k: "redis", what: "out of memory", lostMs: 0 });
      await this.#redis.starve();
      await sleep(forMs);
      await this.#redis.feed();
      this.#o.history.now({ k: "redis-back", what: "out of memory" });
    });
  }

  fillDisk(forMs: number): Promise<void> {
    return this.#alone(async () => {
      const how = await this.#redis.fillDisk();
      this.#o.history.now({ k: "redis", what: `disk full: ${how}`, lostMs: 0 });
      await sleep(forMs);
      await this.#redis.emptyDisk();
      this.#o.history.now({ k: "redis-back", what: "disk full" });
    });
  }

  /** Offsets that Redis' clock has had lately, ms; the present one last. */
  readonly #offsets = [0];

  /** The machine's time of what Redis did at `at` by its own clock: of the offsets it had, the one that fits now. */
  machineTime(at: number): number {
    const now = Date.now();
    const [best = 0] = this.#offsets
      .slice(-3)
      .sort((a, b) => Math.abs(at - a - now) - Math.abs(at - b - now));
    return at - best;
  }

  stepClock(offsetMs: number, forMs: number): Promise<void> {
    return this.#alone(async () => {
      this.#setClock(offsetMs);
      await sleep(forMs);
      this.#setClock(0);
    });
  }

  #setClock(offsetMs: number): void {
    const beforeMs = this.#offsets.at(-1) ?? 0;
    this.#offsets.push(offsetMs);
    this.#o.history.now({ k: "clock", offsetMs, beforeMs });
    if (!this.#redis.setClock(offsetMs)) throw new Error("libfaketime is not installed");
  }

  flushScripts(): Promise<void> {
    return this.#alone(async () => {
      await this.#redis.admin.script("FLUSH");
    });
  }

  killClients(share: number): Promise<void> {
    return this.#alone(async () => {
      const killed = await this.#redis.killClients(share, this.#o.random);
      if (killed === 0) throw new Error("there was no client to kill");
    });
  }

  /** The replica takes over as it is; the old master is gone for all clients and comes back as a replica of the new one. */
  failOver(): Promise<void> {
    return this.#alone(async () => {
      const { history, tap } = this.#o;
      const [old, next] = [this.#redis, this.#other!];
      history.now({ k: "redis", what: "failover", lostMs: 1_000 });
      this.lines.shut();
      // What it has done by now is heard to the end; what the replica has not got of it is lost.
      await tap.detach();
      this.#replication!.proxy.cut();
      await next.promote();
      await old.kill();
      this.#redis = next;
      await this.#listen("failover");
      this.lines.open(next.port);
      history.now({ k: "redis-back", what: "failover" });
      await old.restart();
      this.#other = old;
      this.#replication!.target.port = next.port;
      await this.#follow();
    });
  }

  /** Resolves when what is under way has ended: nothing is broken then. */
  settled(): Promise<void> {
    return this.#turn;
  }

  async stop(): Promise<void> {
    await this.lines?.close();
    await this.#o.tap.detach();
    await this.#replication?.proxy.close();
    await this.#redis.stop();
    await this.#other?.stop();
  }
}
