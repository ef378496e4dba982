/** `uee doctor` names the commonest faults, one test each: its finding, its remedy, its exit code. */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { providers as registered } from "../../src/providers/registry.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import * as certificate from "../integration/upstream/certificate.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { runsQueueOf } from "../support/schedules.ts";
import { bareEnv, killAll, startUee, uee } from "./cliSupport.ts";

interface Finding {
  check: string;
  verdict: "ok" | "note" | "problem";
  message: string;
  remedy: string;
}

const nvdKey = "0aa0aa00-1111-2222-3333-444444444444";
let redis: TestRedis;
let simulator: Simulator;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 20, cwes: 2, capecs: 2, attackObjects: 4, apiKeys: [nvdKey] });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
});
beforeEach(async () => {
  await redis.client().flushall();
  env = bareEnv({ REDIS_URL: redis.url, ...environmentOf(simulator) });
});
afterEach(killAll);

async function doctor(
  more: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; problems: Finding[]; all: Finding[] }> {
  const { code, stdout } = await uee(["doctor", "--json"], { env: { ...env, ...more } });
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  for (const { verdict, remedy } of findings) expect(verdict === "problem" && remedy === "").toBe(false);
  return { code, all: findings, problems: findings.filter(({ verdict }) => verdict === "problem") };
}

/** The one problem there is. */
async function only(more: NodeJS.ProcessEnv, expected: Partial<Finding> | object): Promise<void> {
  const { code, problems } = await doctor(more);
  expect(problems).toEqual([expect.objectContaining(expected)]);
  expect(code).toBe(1);
}

const like = (text: string | RegExp) => expect.stringMatching(text);

test("where nothing is wrong all is well, and exit is 0", async () => {
  const { code, all, problems } = await doctor({ NVD_API_KEY: nvdKey });
  expect({ code, problems }).toEqual({ code: 0, problems: [] });
  expect(all.map(({ check }) => check)).toEqual(
    expect.arrayContaining(
      ["redis", "memory", "clock", "workers"].concat(
        ["cve", "cve-feeds", "attack"].map((name) => `upstream ${name}`),
      ),
    ),
  );
});

describe("Redis", () => {
  test("is down: exit 3", async () => {
    const { code, problems } = await doctor({ REDIS_URL: "redis://127.0.0.1:1" });
    expect(code).toBe(3);
    expect(problems).toEqual([
      expect.objectContaining({ check: "redis", message: like("SYS_REDIS_UNREACHABLE") }),
    ]);
  });

  test("refuses the password, which is not shown", async () => {
    const locked = await startRedis({ args: ["--requirepass", "right"], password: "right" });
    try {
      const url = locked.url.replace("redis://", "redis://:wr0ng-one@");
      const { code, problems } = await doctor({ REDIS_URL: url });
      expect(problems).toEqual([
        expect.objectContaining({ message: like("SYS_REDIS_AUTH"), remedy: like("password") }),
      ]);
      expect(JSON.stringify(problems)).not.toContain("wr0ng-one");
      expect(code).toBe(1);
    } finally {
      await locked.stop();
    }
  });

  test("evicts, keeps nothing on disk, and is too small: each is a finding", async () => {
    const unfit = await startRedis({
      args: ["--maxmemory-policy", "allkeys-lru", "--maxmemory", "50mb", "--save", ""],
    });
    try {
      const { problems } = await doctor({ REDIS_URL: unfit.url });
      expect(problems.map(({ check }) => check).sort()).toEqual([
        "memory",
        "redis eviction",
        "redis persistence",
      ]);
      expect(problems.find(({ check }) => check === "redis eviction")?.message).toContain("noeviction");
    } finally {
      await unfit.stop();
    }
  });
});

describe("an upstream", () => {
  test("has a name that DNS does not know", () =>
    only(
      { UEE_CVE_URL: "http://nvd.invalid/" },
      { check: "upstream cve", message: like(/^DNS: nvd\.invalid/) },
    ));

  test("publishes no feeds where they are looked for, or is asked for none", async () => {
    const UEE_CVE_FEEDS_URL = `${simulator.url}/elsewhere/`;
    const check = "upstream cve-feeds";
    await only({ UEE_CVE_FEEDS_URL }, { check, message: like(/^PROV_NOT_FOUND: .*nvdcve-2\.0-2002\.meta/) });
    const { code, all } = await doctor({ UEE_CVE_FEEDS_URL: "off" });
    expect([code, all.filter((one) => one.check === check)]).toEqual([0, []]);
  });

  test("lies behind a proxy that does not answer", async () => {
    // Names in brackets need no resolver; all of them go through the proxy.
    const { problems } = await doctor({ HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "" });
    const addresses = registered.flatMap(({ upstream }) => (upstream.feeds ? [1, 2] : [1]));
    expect(problems).toHaveLength(addresses.length);
    for (const { message, remedy } of problems) {
      expect(message).toMatch(/^Proxy or network: .*through the proxy 127\.0\.0\.1:1/);
      expect(remedy).toContain("HTTPS_PROXY");
    }
  });

  test("shows a certificate that is not trusted: TLS", async () => {
    const server = createServer({ ...certificate }, (_request, response) => response.end("{}"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      await only(
        { UEE_CAPEC_URL: url },
        { check: "upstream capec", message: like(/^TLS: /), remedy: like("NODE_EXTRA_CA_CERTS") },
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test("refuses the API key, which is not shown", async () => {
    const wrong = nvdKey.replace(/^0/, "9");
    const { problems, all } = await doctor({ NVD_API_KEY: wrong });
    expect(problems).toEqual([
      expect.objectContaining({
        check: "upstream cve",
        message: like(/^Key: /),
        remedy: like("NVD_API_KEY"),
      }),
    ]);
    expect(JSON.stringify(all)).not.toContain(wrong);
  });

  test("is asked at another rate by a process that lives: the fleet disagrees", async () => {
    const worker = startUee(["worker"], { env });
    await worker.said("is ready");
    const { code, problems } = await doctor({ UEE_CVE_RATE: "7/30s" });
    expect(code).toBe(1);
    const message = like("SYS_FLEET_DISAGREES.*rate");
    // `unlimited` holds for the feeds as well, and any other rate does not.
    expect(problems).toMatchObject([
      { check: "upstream cve", message },
      { check: "upstream cve-feeds", message },
    ]);
  });
});

describe("the fleet", () => {
  test("has jobs and no worker", async () => {
    const queue = runsQueueOf(redis.url);
    await queue.add("run", { provider: "cve", mode: "full" });
    await queue.close();
    await only({}, { check: "jobs", message: like("no live worker|no worker"), remedy: like("uee worker") });
  });

  test("has a provider that an operator paused", async () => {
    await uee(["pause", "cwe", "--reason", "MITRE moves"], { env });
    await only(
      {},
      { check: "state cwe", message: like(/paused.*MITRE moves/), remedy: like("uee resume cwe") },
    );
  });

  test("has a mirror that grew old against its schedule", async () => {
    const { UEE_SCHEDULES: _off, ...scheduled } = env;
    env = { ...scheduled, UEE_CWE_SCHEDULE: "2h" };
    expect((await uee(["run", "cwe", "--wait", "--json"], { env })).code).toBe(0);
    const longAgo = new Date(Date.now() - 12 * 3_600_000).toISOString();
    await redis.client().hset("{uee:cwe}:meta", "verifiedAt", longAgo);
    await only({}, { check: "age cwe", message: like(/last verified 12 h ago/) });
  });
});
