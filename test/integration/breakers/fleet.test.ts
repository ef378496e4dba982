/** Real processes around one Redis and one web server: who stops when, who probes, and what a killed prober leaves. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import type { Breaker } from "../../../src/breakers/breaker.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";
import { startServer, type TestServer } from "../upstream/support.ts";
import { ageOpening, ageProbe, enter, fail, freshUpstream, keysOf, pod } from "./support.ts";

interface Caller {
  readonly pid: number;
  /** How its calls ended, in order. */
  readonly said: string[];
  kill(signal: NodeJS.Signals): void;
}

let server: TestRedis;
let redis: Redis;
let web: TestServer;
let upstream: string;
let watcher: Breaker;
const children = new Set<ChildProcess>();

const good = (_request: unknown, response: ServerResponse): unknown => response.end("{}");
const script = fileURLToPath(new URL("./caller.mjs", import.meta.url));

function startCaller(): Caller {
  const plan = { redisUrl: server.url, webUrl: web.url, upstream, prefix: "uee-test" };
  const child = spawn(process.execPath, [script, JSON.stringify(plan)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  const said: string[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => said.push(line));
  return { pid: child.pid!, said, kill: (signal) => void child.kill(signal) };
}

async function startCallers(count: number): Promise<Caller[]> {
  const callers = Array.from({ length: count }, startCaller);
  await until(() => callers.every(({ said }) => said.length > 0));
  return callers;
}

/** Every caller has been told so again since now. */
async function allSay(callers: Caller[], word: string): Promise<void> {
  const from = callers.map(({ said }) => said.length);
  await until(() => callers.every(({ said }, i) => said.slice(from[i]).includes(word)));
}

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  web = await startServer(good);
});
afterAll(async () => {
  await web.close();
  await server.stop();
});
beforeEach(() => {
  upstream = freshUpstream();
  web.answer = good;
  web.arrivals.length = 0;
  watcher = pod(redis, upstream, "watcher");
});
afterEach(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  children.clear();
});

test("when one pod's breaker opens, the others stop within a second, and one that starts then does not begin", async () => {
  const callers = await startCallers(2);
  // Good answers of the others come in between and reset the count: five failures in a row take several tries.
  while ((await watcher.store.view()).state === "closed") {
    await redis.hset(keysOf(upstream).breaker, "failures", 4);
    await fail(watcher, 1);
  }
  const openedAt = performance.now();
  callers.push(startCaller());
  await allSay(callers, "PROV_CIRCUIT_OPEN");
  const stoppedAt = web.arrivals.at(-1)!.atMs;
  expect(stoppedAt - openedAt).toBeLessThan(1_000);
  await allSay(callers, "PROV_CIRCUIT_OPEN");
  expect(web.arrivals.at(-1)!.atMs).toBe(stoppedAt);
  expect(new Set(callers[2]!.said)).toEqual(new Set(["PROV_CIRCUIT_OPEN"]));
});

test("one request probes for the whole fleet; where its process is killed, another follows when the lease is over", async () => {
  const callers = await startCallers(3);
  web.answer = (_request, response) => response.destroy();
  await until(async () => (await watcher.store.view()).state === "open");
  await allSay(callers, "PROV_CIRCUIT_OPEN");
  web.arrivals.length = 0;
  web.answer = () => {};
  await ageOpening(redis, upstream);
  await until(() => web.arrivals.length > 0);
  await allSay(callers, "PROV_CIRCUIT_OPEN");
  expect(web.arrivals.length).toBe(1);

  const prober = (await watcher.store.view()).probe!;
  const killed = callers.find(({ pid }) => prober.by.endsWith(`:${pid}`))!;
  killed.kill("SIGKILL");
  const left = callers.filter((one) => one !== killed);
  await allSay(left, "PROV_CIRCUIT_OPEN");
  expect(web.arrivals.length).toBe(1);

  let answer = (): void => {};
  web.answer = (_request, response) => {
    answer = () => response.end("{}");
  };
  await ageProbe(redis, upstream);
  await until(() => web.arrivals.length > 1);
  await allSay(left, "PROV_CIRCUIT_OPEN");
  expect(web.arrivals.length).toBe(2);
  const second = (await watcher.store.view()).probe!;
  expect(second.by).not.toBe(prober.by);

  web.answer = good;
  answer();
  await allSay(left, "ok");
  expect((await watcher.store.view()).state).toBe("closed");
});

test("a prober that was stopped past its lease wakes without harm: its answer closes nothing, its calls obey", async () => {
  const [sleeper] = await startCallers(1);
  web.answer = (_request, response) => response.destroy();
  await until(async () => (await watcher.store.view()).state === "open");
  let answer = (): void => {};
  web.answer = (_request, response) => {
    answer = () => response.end("{}");
  };
  web.arrivals.length = 0;
  await ageOpening(redis, upstream);
  await until(() => web.arrivals.length > 0);
  sleeper!.kill("SIGSTOP");
  // Its answer lies in its socket while another worker has taken over.
  answer();
  await sleep(50);
  await ageProbe(redis, upstream);
  const probe = await enter(watcher);
  sleeper!.kill("SIGCONT");
  await allSay([sleeper!], "PROV_CIRCUIT_OPEN");
  expect(await watcher.store.view()).toMatchObject({ state: "half_open", probe: { by: "watcher" } });
  expect(web.arrivals.length).toBe(1);
  await probe.abandoned();
});
