/**
 * Redis Cluster. A connection serves one hash slot and goes to the master of that slot, as a Sentinel connection goes to
 * the master that the Sentinels name. It therefore is an ordinary connection: TIME, INFO, scripts, transactions and
 * blocking reads concern the server that holds the keys, and a command is never resent without its caller. (ioredis'
 * own cluster client resends commands after a failover and asks any node for TIME and INFO.)
 */
import { createConnection, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AbstractConnector, Redis, type RedisOptions } from "ioredis";
import { type RedisNode, serverName } from "./url.ts";

export const SLOTS = 16_384;

/** The slot of a key: CRC-16 (XMODEM) of its hash tag, or of the whole key when it has none. */
export function slotOf(key: string): number {
  const tag = /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc & (SLOTS - 1);
}

/** A range of slots, the master that serves it, and the number of its replicas. */
export interface SlotRange {
  first: number;
  last: number;
  master: RedisNode;
  replicas: number;
}

/** How long one node may take to tell the slots, ms; a frozen node accepts connections and never answers. */
const ASK_MS = 1_500;
/** Connections that are lost together share one answer, ms. */
const SHARED_MS = 50;
/** A master that loads its data for longer than this may have been replaced meanwhile: it is looked up again, ms. */
const READY_MS = 5_000;

/** Which node serves which slot; shared by the connections of a process. */
export class ClusterTopology {
  readonly #options: RedisOptions;
  readonly #seeds: readonly RedisNode[];
  #nodes: RedisNode[] = [];
  #next = 0;
  #ranges: SlotRange[] = [];
  #readAt = 0;
  #reading: Promise<SlotRange[]> | undefined;

  /** @param options credentials and TLS, the same for every node */
  constructor(seeds: readonly RedisNode[], options: RedisOptions) {
    this.#seeds = seeds;
    this.#options = options;
  }

  /** Rejects with the last node's error when no node answers. */
  ranges(maxAgeMs: number = SHARED_MS): Promise<SlotRange[]> {
    const known = this.#ranges.length > 0 && performance.now() - this.#readAt <= maxAgeMs;
    if (known) return Promise.resolve(this.#ranges);
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async masterOf(slot: number, maxAgeMs: number): Promise<RedisNode> {
    const range = (await this.ranges(maxAgeMs)).find(({ first, last }) => first <= slot && slot <= last);
    if (range) return range.master;
    throw new Error(`CLUSTERDOWN Hash slot ${slot} is not served`);
  }

  /** Asks one node after the other, beginning after the one that answered last: its view may have been stale. */
  async #read(): Promise<SlotRange[]> {
    const nodes = [...this.#nodes, ...this.#seeds];
    let failure: unknown;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[this.#next++ % nodes.length]!;
      try {
        const reply = await this.#ask(node);
        this.#nodes = reply.nodes;
        this.#ranges = reply.ranges;
        this.#readAt = performance.now();
        return reply.ranges;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #ask(asked: RedisNode): Promise<{ ranges: SlotRange[]; nodes: RedisNode[] }> {
    const redis = new Redis({
      ...this.#options,
      ...nodeOptions(asked, this.#options),
      ...{ lazyConnect: true, enableReadyCheck: false, maxRetriesPerRequest: 0, disconnectTimeout: 250 },
      ...{ connectTimeout: ASK_MS, commandTimeout: ASK_MS, retryStrategy: () => null },
    });
    let why: unknown;
    redis.on("error", (error) => {
      why = error;
    });
    try {
      await redis.connect();
      const reply = await redis.cluster("SLOTS");
      // A node that was reset knows no other.
      if (reply.length === 0) throw new Error("CLUSTERDOWN Hash slot not served");
      // A node that does not know its own address names none: it is the one that was asked.
      const nodeOf = ([host, port]: [string, number, ...unknown[]]): RedisNode => {
        return { host: host || asked.host, port };
      };
      const ranges = reply.map(([first, last, master, ...replicas]): SlotRange => {
        return { first, last, master: nodeOf(master!), replicas: replicas.length };
      });
      return { ranges, nodes: reply.flatMap(([, , ...nodes]) => nodes.map(nodeOf)) };
    } catch (error) {
      throw why ?? error;
    } finally {
      redis.disconnect();
    }
  }
}

const nodeOptions = ({ host, port }: RedisNode, { tls }: RedisOptions): RedisOptions => ({
  host,
  port,
  ...(tls ? { tls: { ...tls, servername: serverName(host) } } : {}),
});

export const isInCluster = ({ options }: Redis): boolean => options.Connector !== undefined;

/** For `RedisOptions.Connector`: the connection goes to the master of `slot`, wherever that is at the time. */
export const connectorOf = (
  topology: ClusterTopology,
  slot: number,
): NonNullable<RedisOptions["Connector"]> =>
  class extends AbstractConnector {
    readonly #options: RedisOptions;
    #attempted = false;
    #ready: NodeJS.Timeout | undefined;

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout!);
      this.#options = options as RedisOptions;
    }

    async connect(): Promise<Socket> {
      this.connecting = true;
      delete this.firstError;
      const node = await topology
        .masterOf(slot, this.#attempted ? SHARED_MS : Number.POSITIVE_INFINITY)
        .catch((error: Error) => error);
      if (!this.connecting) throw new Error("Connection is closed.");
      this.#attempted = true;
      // A socket that is destroyed already is a failed attempt to ioredis: it rejects what waits, and tries again.
      const stream = node instanceof Error ? new Socket().destroy() : this.#open(node);
      if (node instanceof Error) this.firstError = node;
      stream.once("error", (error) => {
        this.firstError = error;
      });
      this.stream = stream;
      this.#ready = setTimeout(() => stream.destroy(), READY_MS).unref();
      stream.once("close", () => clearTimeout(this.#ready));
      return stream;
    }

    /** Called when the server answers and has loaded its data. */
    override check(info: { role?: string }): boolean {
      clearTimeout(this.#ready);
      return info.role === undefined || info.role === "master";
    }

    #open(node: RedisNode): Socket {
      const { host, port, tls } = nodeOptions(node, this.#options);
      return tls
        ? connectTls({ ...tls, host, port } as object)
        : createConnection({ host: host!, port: port! });
    }
  };
