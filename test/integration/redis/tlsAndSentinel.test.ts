import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { connectRedis, type RedisConnections } from "../../../src/redis/connect.ts";
import { until } from "../../support/localRedis.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

let dir: string;
const servers: TestRedis[] = [];
let connections: RedisConnections | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "uee-tls-"));
});
afterEach(async () => {
  await connections?.close();
  connections = undefined;
  for (const server of servers.splice(0)) await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(...options: Parameters<typeof startRedis>): Promise<TestRedis> {
  const server = await startRedis(...options);
  servers.push(server);
  return server;
}

(hasOpenssl() ? describe : describe.skip)("Redis over TLS (needs openssl)", () => {
  function makeCertificates() {
    const at = (name: string) => join(dir, name);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore", cwd: dir });
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=test CA",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
    );
    openssl(
      "req",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      "/CN=localhost",
      "-keyout",
      "server.key",
      "-out",
      "server.csr",
    );
    writeFileSync(at("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
    openssl(
      "x509",
      "-req",
      "-in",
      "server.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "san",
      "-out",
      "server.pem",
    );
    return { ca: at("ca.pem"), cert: at("server.pem"), key: at("server.key") };
  }

  test("trusts a private CA that it is given, by name and by address, and no other", async () => {
    const { ca, cert, key } = makeCertificates();
    const port = await freePort();
    const tls = [
      "--tls-port",
      String(port),
      "--tls-cert-file",
      cert,
      "--tls-key-file",
      key,
      "--tls-ca-cert-file",
      ca,
    ];
    await start({ args: [...tls, "--tls-auth-clients", "no", "--requirepass", "pw"], password: "pw" });
    for (const host of ["localhost", "127.0.0.1"]) {
      connections = await connectRedis({ url: `rediss://:pw@${host}:${port}`, tlsCaFile: ca });
      expect(await connections.commands.ping()).toBe("PONG");
      await connections.close();
    }
    await expect(
      connectRedis({ url: `rediss://:pw@localhost:${port}`, timeoutMs: 500 }),
    ).rejects.toMatchObject({
      code: "SYS_REDIS_UNREACHABLE",
      message: expect.stringContaining("REDIS_TLS_CA"),
    });
  });
});

describe("Redis behind a Sentinel", () => {
  let sentinel: ChildProcess | undefined;
  afterEach(async () => {
    if (!sentinel) return;
    const ended = once(sentinel, "exit");
    sentinel.kill("SIGKILL");
    await ended;
    sentinel = undefined;
  });

  test("is found by the master's name, with credentials for both, and followed when a replica takes over", async () => {
    const master = await start({ appendonly: true });
    const follow = ["--replicaof", "127.0.0.1", String(master.port), "--repl-diskless-sync-delay", "0"];
    const replica = await start({ appendonly: true, args: follow });
    for (const server of [master, replica]) {
      await server.client().call("ACL", ["SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"]);
    }
    const port = await freePort();
    writeFileSync(
      join(dir, "sentinel.conf"),
      [
        `port ${port}`,
        "bind 127.0.0.1",
        "requirepass watch",
        `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
        "sentinel down-after-milliseconds mymaster 300",
        "sentinel failover-timeout mymaster 3000",
      ].join("\n"),
    );
    sentinel = spawn("redis-server", [join(dir, "sentinel.conf"), "--sentinel"], {
      stdio: "ignore",
      cwd: dir,
    });

    const url = `redis+sentinel://app:pw@127.0.0.1:${port}/mymaster?sentinelPassword=watch`;
    connections = await connectRedis({ url });
    const { commands } = connections;
    await until(async () => /state=online/.test(await commands.info("replication")), "the replica's arrival");
    await commands.set("kept", "1");
    await commands.call("WAIT", [1, 5_000]);
    // The Sentinel must know the replica before it can promote it.
    const admin = await connectRedis({ url: `redis://:watch@127.0.0.1:${port}` });
    await until(async () => {
      const found = (await admin.commands.call("SENTINEL", ["REPLICAS", "mymaster"])) as string[][];
      return found.length === 1 && found[0]!.join(" ").includes("master-link-status ok");
    }, "the Sentinel's discovery");
    await admin.close();
    await master.kill("SIGKILL");
    await until(async () => {
      const role = /role:(\w+)/.exec(await commands.info("replication").catch(() => ""))?.[1];
      return role === "master";
    }, "the failover");
    expect(await commands.get("kept")).toBe("1");
    expect(/tcp_port:(\d+)/.exec(await commands.info("server"))?.[1]).toBe(String(replica.port));
  });
});
