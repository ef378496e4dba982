/**
 * `uee serve` is killed at every one of its writes, Redis is killed beside it, and the mirror changes all the time: a reader
 * that fetches `.meta` and `.json.gz` of a feed from one server gets a matching pair or an error, never a mismatch.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { silentLogger } from "../../src/core/logger.ts";
import { listenServe, type RunningServe } from "../../src/outlets/nvd/server.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startKillableOutlet } from "../support/killableOutlet.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

const POINTS = 20;
const names = ["modified", "recent", ...Array.from({ length: 8 }, (_, i) => String(2018 + i))];

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;
let server: RunningServe;
const running: (() => Promise<void>)[] = [];
const settings = () => testSettings({ providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } } });

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 300, extremes: false });
  uee = await openTestEngine(redis.url, settings());
  expect(await uee.run("cve", "full")).toMatchObject({ state: "complete" });
  server = await startServe();
});
afterAll(async () => {
  for (const stop of running) await stop();
  await uee?.close();
  await simulator?.close();
  await redis?.stop();
});

async function startServe(): Promise<RunningServe> {
  const stopped = new AbortController();
  const one = await listenServe({ logger: silentLogger(), port: 0 });
  const serving = one.serve(uee.engine, stopped.signal);
  running.push(async () => {
    stopped.abort();
    await serving;
    await one.close();
  });
  await until(async () => (await fetch(`${one.url}/readyz`)).ok);
  return one;
}

async function moveOn(): Promise<void> {
  simulator.mutate({ provider: "cve", add: 1, modify: 25 });
  expect(await uee.run("cve", "incremental")).toMatchObject({ state: "complete" });
}

/** Undefined for every answer but 200, and where the server is gone. */
async function half(url: string, name: string, kind: "meta" | "json.gz", client: string) {
  try {
    const answer = await fetch(`${url}/feeds/json/cve/2.0/nvdcve-2.0-${name}.${kind}`, {
      headers: { "user-agent": client },
    });
    if (answer.status !== 200) return undefined;
    return Buffer.from(await answer.arrayBuffer());
  } catch {
    return undefined;
  }
}

const sha256In = (meta: Buffer): string | undefined =>
  /^sha256:([0-9A-F]{64})\r$/m.exec(meta.toString())?.[1];
const sha256Of = (zipped: Buffer): string =>
  createHash("sha256").update(gunzipSync(zipped)).digest("hex").toUpperCase();

/** Fetches a pair; true where it had both tries, which must match. */
async function readPair(url: string, name: string, client: string): Promise<boolean> {
  const meta = await half(url, name, "meta", client);
  const zipped = await half(url, name, "json.gz", client);
  if (!meta || !zipped) return false;
  expect(sha256Of(zipped)).toBe(sha256In(meta));
  return true;
}

test("a client that has one half of a pair gets the other half of the same pair, whatever has changed meanwhile", async () => {
  for (const [first, second] of [
    ["meta", "json.gz"],
    ["json.gz", "meta"],
  ] as const) {
    const slow = `first ${first}`;
    const begun = (await half(server.url, "modified", first, slow))!;
    const newest = async () => sha256In((await half(server.url, "modified", "meta", "other"))!);
    const before = await newest();
    await moveOn();
    await until(async () => (await newest()) !== before);
    const rest = (await half(server.url, "modified", second, slow))!;
    const [meta, zipped] = first === "meta" ? [begun, rest] : [rest, begun];
    expect(sha256In(meta)).toBe(before);
    expect(sha256Of(zipped)).toBe(before);
    expect(sha256In((await half(server.url, "modified", "meta", slow))!)).toBe(await newest());
  }
});

test("a half that is no longer kept is refused", async () => {
  const newest = async () => sha256In((await half(server.url, "modified", "meta", "other"))!);
  expect(await half(server.url, "modified", "meta", "very slow")).toBeDefined();
  for (let change = 0; change < 5; change++) {
    const before = await newest();
    await moveOn();
    await until(async () => (await newest()) !== before);
  }
  const answer = await fetch(`${server.url}/feeds/json/cve/2.0/nvdcve-2.0-modified.json.gz`, {
    headers: { "user-agent": "very slow" },
  });
  expect(answer.status).toBe(503);
  expect(answer.headers.get("message")).toContain("read its .meta again");
  expect(await readPair(server.url, "modified", "very slow")).toBe(true);
});

test(`a server that is killed at ${POINTS} of its writes never gives a torn pair, and leaves nothing behind`, async () => {
  const start = (point: number) =>
    startKillableOutlet({
      ...{ outlet: "serve", url: redis.url, settings: settings() },
      ...{ nth: 1 + point, phase: point % 2 === 0 ? "before" : "after" },
    });
  const pids: number[] = [];
  let next = start(0);
  for (let point = 0; point < POINTS; point++) {
    const child = next;
    pids.push(child.process.pid!);
    const url = await child.go();
    // The next one starts meanwhile: starting takes longer than everything else.
    if (point + 1 < POINTS) next = start(point + 1);
    if (point % 5 === 0) await moveOn();
    let dead = false;
    void child.ended.then(() => {
      dead = true;
    });
    for (let i = 0; !dead; i++) await readPair(url!, names[i % names.length]!, "reader");
    expect(await child.ended).toBe("SIGKILL");
  }
  const stored = await exported(uee.engine, "cve");
  const last = await startServe();
  const listed: string[] = [];
  for (let year = 2002; year <= new Date().getUTCFullYear(); year++) {
    expect(await readPair(last.url, String(year), "reader")).toBe(true);
    const zipped = (await half(last.url, String(year), "json.gz", "other"))!;
    const { vulnerabilities } = JSON.parse(gunzipSync(zipped).toString()) as {
      vulnerabilities: { cve: { id: string } }[];
    };
    for (const { cve } of vulnerabilities) {
      expect(cve).toEqual(stored.get(cve.id));
      listed.push(cve.id);
    }
  }
  expect(listed.sort()).toEqual([...stored.keys()].sort());
  const left = await readdir(tmpdir());
  expect(left.filter((name) => pids.some((pid) => name.startsWith(`uee-feeds-${pid}-`)))).toEqual([]);
});

test("readers get matching pairs while Redis is killed as often as feeds are made", async () => {
  for (let kill = 0; kill < 4; kill++) {
    const fresh = await startServe();
    let tries = 0;
    let restarting: Promise<void> | undefined;
    const seen = new Set<string>();
    const reader = async (client: string): Promise<void> => {
      for (let i = 0; seen.size < names.length; i++) {
        const name = names[i % names.length]!;
        if (await readPair(fresh.url, name, client)) seen.add(name);
        if (++tries === 1 + 3 * kill) restarting = redis.restart();
      }
    };
    await Promise.all(["one", "two"].map(reader));
    expect(restarting).toBeDefined();
    await restarting;
  }
});
