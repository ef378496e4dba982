/** A real Redis Cluster for one test file: masters with a replica each, on loopback, and nothing left behind. */
import type { Redis, RedisOptions } from "ioredis";
import { SLOTS, slotOf } from "../../src/redis/cluster.ts";
import { freePort, type RedisServerOptions, startRedis, type TestRedis } from "./redisServer.ts";
import { until } from "./until.ts";

export interface TestCluster {
  /** `redis+cluster://…` of every node. */
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  /** The node that serves the key at present, by what the first living node says; `except` is not asked. */
  masterOf(key: string, except?: TestRedis): Promise<TestRedis>;
  /** Kills the master of the key (SIGKILL), and resolves when its replica serves the slot. Returns the killed node. */
  failOver(key: string): Promise<TestRedis>;
  /** The nodes that are masters, by what a living node says. */
  masters(): Promise<TestRedis[]>;
  /** The replica of a master. */
  replicaOf(master: TestRedis): Promise<TestRedis>;
  /** Our own client of a node. */
  admin(node: TestRedis): Redis;
  /** Resolves when every node agrees on the slots and every master has a replica that follows it. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

const masters = 3;

export async function startCluster(
  options: {
    server?: RedisServerOptions;
    /** For our own clients. */
    client?: RedisOptions;
    /** A node counts as dead after so long without an answer. */
    nodeTimeoutMs?: number;
  } = {},
): Promise<TestCluster> {
  const { server = {}, client = {}, nodeTimeoutMs = 1_000 } = options;
  const nodes = await Promise.all(
    Array.from({ length: masters * 2 }, async () => {
      const args = [
        ...["--cluster-enabled", "yes", "--cluster-port", String(await freePort())],
        ...["--cluster-node-timeout", String(nodeTimeoutMs), "--cluster-replica-validity-factor", "0"],
        ...["--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0"],
        ...(server.args ?? []),
      ];
      return startRedis({ appendonly: true, ...server, args });
    }),
  );
  const clients = new Map<TestRedis, Redis>(nodes.map((node) => [node, node.client(client)]));
  const ask = (node: TestRedis) => clients.get(node)!;

  /** What a node knows: `port` → its line of CLUSTER NODES, split. */
  const viewOf = async (node: TestRedis): Promise<Map<number, string[]>> => {
    const text = String(await ask(node).call("CLUSTER", "NODES"));
    const lines = text.trim().split("\n");
    return new Map(lines.map((line) => [Number(/:(\d+)@/.exec(line)![1]), line.split(" ")]));
  };
  const agreed = async (): Promise<boolean> => {
    const infos = await Promise.all(
      nodes.map(
        async (node) => `${await ask(node).call("CLUSTER", "INFO")}${await ask(node).info("replication")}`,
      ),
    ).catch(() => []);
    const replicas = infos.filter((info) => /role:slave/.test(info) && /master_link_status:up/.test(info));
    const full = infos.filter(
      (info) => info.includes("cluster_state:ok") && info.includes("cluster_slots_ok:16384"),
    );
    if (full.length < nodes.length || replicas.length < masters) return false;
    const told = await Promise.all(nodes.map(async (node) => JSON.stringify(await slotsOf(node))));
    return new Set(told).size === 1 && !told[0]!.includes("undefined");
  };
  const slotsOf = async (node: TestRedis): Promise<string[]> =>
    ((await ask(node).cluster("SLOTS")) as unknown as [number, number, [string, number], [string, number]?][])
      .map(([first, last, [, port], replica]) => `${first}-${last},${port},${replica?.[1]}`)
      .sort();
  const settled = () => until(agreed, 30_000);
  const living = async (except?: TestRedis): Promise<TestRedis> => {
    for (const node of nodes) {
      if (
        node !== except &&
        (await ask(node)
          .ping()
          .catch(() => undefined)) === "PONG"
      )
        return node;
    }
    throw new Error("no node of the cluster lives");
  };
  const masterOf = async (key: string, except?: TestRedis): Promise<TestRedis> => {
    const slot = slotOf(key);
    for (const [port, [, , flags, ...rest]] of await viewOf(await living(except))) {
      const serves = rest.some((range) => {
        const [first, last = first] = range.split("-").map(Number) as [number, number?];
        return /^\d+(-\d+)?$/.test(range) && first <= slot && slot <= last!;
      });
      if (serves && flags!.includes("master")) return nodes.find((node) => node.port === port)!;
    }
    throw new Error(`slot ${slot} has no master`);
  };

  for (const [i, node] of nodes.entries()) {
    await ask(node).call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    if (i >= masters) continue;
    const first = Math.floor((SLOTS * i) / masters);
    await ask(node).call("CLUSTER", "ADDSLOTSRANGE", first, Math.floor((SLOTS * (i + 1)) / masters) - 1);
  }
  const bus = async (node: TestRedis) =>
    /:\d+@(\d+)/.exec(String(await ask(node).call("CLUSTER", "NODES")))![1]!;
  for (const node of nodes.slice(1)) {
    await ask(nodes[0]!).call("CLUSTER", "MEET", "127.0.0.1", node.port, await bus(node));
  }
  await until(async () => {
    const views = await Promise.all(nodes.map(viewOf));
    return views.every(
      (view) => view.size === nodes.length && ![...view.values()].flat().join().includes("handshake"),
    );
  }, 30_000);
  for (const [i, replica] of nodes.slice(masters).entries()) {
    await ask(replica).call("CLUSTER", "REPLICATE", String(await ask(nodes[i]!).call("CLUSTER", "MYID")));
  }
  await settled();

  return {
    get url() {
      const user = client.password ? `:${client.password}@` : "";
      return `redis+cluster://${user}${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
    },
    nodes,
    masterOf,
    settled,
    admin: ask,
    async masters() {
      const view = await viewOf(await living());
      return nodes.filter(({ port }) => {
        const [, , flags = "", , , , , , ...slots] = view.get(port) ?? [];
        return flags.includes("master") && slots.length > 0;
      });
    },
    async replicaOf(master) {
      const view = await viewOf(await living(master));
      const [id] = view.get(master.port)!;
      return nodes.find(({ port }) => view.get(port)?.[3] === id)!;
    },
    async failOver(key) {
      const old = await masterOf(key);
      await old.kill("SIGKILL");
      await until(async () => (await masterOf(key, old)) !== old, 30_000);
      return old;
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}
