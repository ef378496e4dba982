/** A source that is added in one file, and listed in one line, is seen wherever providers are. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { CliContext, Session, Terminal } from "../../src/cli/context.ts";
import { tiny } from "../support/addedSource.ts";
import { chromiumPath, launch, openPage } from "../support/dashboard/browser.ts";
import { builtPage } from "../support/dashboard/builtPage.ts";
import { ask } from "../support/httpAsk.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";

// The one line of the registry. Everything below is loaded after it.
const registry = await import("../../src/providers/registry.ts");
const providers = [...registry.providers, tiny];
jest.unstable_mockModule("../../src/providers/registry.ts", () => ({
  providers,
  findProvider: (wanted: string) => providers.find(({ name }) => name === wanted),
}));
const { runCli } = await import("../../src/cli/program.ts");
const { openSession } = await import("../../src/cli/session.ts");
const { watchSignals } = await import("../../src/cli/exits.ts");
const { describeConfig, surroundings } = await import("../../src/config/index.ts");
const { buildDashboard } = await import("../../src/dashboard/server.ts");
const { makeKeys } = await import("../../src/redis/keys.ts");
const { silentLogger } = await import("../../src/core/logger.ts");
// @ts-expect-error a script without types
const { configPage } = await import("../../scripts/lib/configPage.mjs");

let redis: TestRedis;
let server: Server;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({});
  server = createServer((_request, response) => {
    response.end('{"id":"TINY-1","tags":[]}\n{"id":"TINY-2","tags":7}\n{"id":"TINY-3"}\n');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/all.ndjson`;
  env = {
    ...Object.fromEntries(providers.map(({ upstream }) => [upstream.urlEnv, url])),
    ...{ REDIS_URL: redis.url, UEE_TINY_RATE: "unlimited", UEE_CVE_RATE: "unlimited", NO_PROXY: "127.0.0.1" },
    UEE_REDIS_CHECKS: "off",
  };
});
afterAll(async () => {
  server.close();
  await redis.stop();
});

class Sink extends Writable {
  text = "";
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

function contextWith(stdout: Sink, stderr: Sink): CliContext {
  const context: CliContext = {
    ...{ stdout: stdout as Terminal, stderr: stderr as Terminal, env, script: "uee", now: Date.now },
    providerNames: async () =>
      (await import("../../src/providers/registry.ts")).providers.map(({ name }) => name),
    interrupts: () => watchSignals(process, () => undefined),
    supervised: undefined,
    open: (request) => openSession(request, context),
  };
  return context;
}

async function uee(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new Sink(), new Sink()];
  const code = await runCli(argv, contextWith(stdout, stderr));
  return { code, stdout: stdout.text, stderr: stderr.text };
}

const json = async (...argv: string[]) => JSON.parse((await uee(...argv, "--json")).stdout);
const withTiny = expect.arrayContaining([expect.objectContaining({ provider: "tiny" })]);

describe("a source that is added in one file", () => {
  test("runs from the command line, and its bad record is set aside alone", async () => {
    const { runs } = await json("run", "tiny", "--wait");
    expect(runs).toMatchObject([{ provider: "tiny", state: "incomplete", created: 2, deadLettered: 1 }]);
    const { code, stdout } = await uee("export", "tiny", "--allow-partial");
    expect(code).toBe(0);
    expect(stdout.trim().split("\n")).toEqual([
      expect.stringContaining("v2e::example::tiny::TINY-1"),
      expect.stringContaining("v2e::example::tiny::TINY-3"),
    ]);
    expect(await json("get", "tiny-1")).toMatchObject({ urn: "v2e::example::tiny::TINY-1" });
    expect((await uee("get", "TINY1")).stderr).toContain("Did you mean TINY-1?");
  });

  test.each([
    ["the program", ["--help"]],
    ["run", ["run", "--help"]],
    ["export", ["export", "--help"]],
    ["checkpoints", ["checkpoints", "--help"]],
    ["pause", ["pause", "--help"]],
  ])("is named in the help of %s", async (_name, argv) => {
    expect((await uee(...argv)).stdout).toMatch(/\btiny\b/);
  });

  test("is named by the error about a provider that does not exist", async () => {
    const { code, stderr } = await uee("run", "tinny");
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean tiny?");
  });

  test("is in every command that lists providers", async () => {
    expect((await json("status")).providers).toEqual(withTiny);
    expect((await json("schedules")).schedules).toEqual(withTiny);
    expect((await json("dlq", "list")).deadLetters).toEqual(withTiny);
    expect((await json("dlq", "stats")).byProvider).toMatchObject({ tiny: 1 });
    expect((await json("history", "tiny")).history).toEqual(withTiny);
    expect((await json("checkpoints", "tiny")).checkpoints).not.toEqual([]);
    const upstreams = (await json("breakers")).breakers.map((one: { upstream: string }) => one.upstream);
    expect(upstreams).toContain("tiny");
    expect((await json("config")).config).toMatchObject({
      tinyUrl: { env: "UEE_TINY_URL" },
      tinySchedule: { env: "UEE_TINY_SCHEDULE" },
    });
    expect((await uee("pause", "tiny")).stdout).toContain("tiny: paused");
    expect((await uee("resume", "tiny")).code).toBe(0);
  });

  test("is examined by doctor", async () => {
    const { findings } = await json("doctor");
    expect(findings).toEqual(
      expect.arrayContaining([expect.objectContaining({ check: "upstream tiny", verdict: "ok" })]),
    );
  });

  test("is in docs/config.md when it is generated", () => {
    const page: string = configPage(describeConfig(), surroundings);
    for (const name of ["UEE_TINY_URL", "UEE_TINY_RATE", "UEE_TINY_SCHEDULE", "--tiny-full-schedule"]) {
      expect(page).toContain(name);
    }
  });
});

describe("its dashboard", () => {
  let session: Session;
  let app: Awaited<ReturnType<typeof buildDashboard>>;
  let url: string;

  beforeAll(async () => {
    const context = contextWith(new Sink(), new Sink());
    session = await context.open({ redis: "required", patience: "command", flags: {} });
    const { engine, redis: commands, config } = session;
    app = await buildDashboard({
      backend: () => ({ engine, redis: commands, keys: makeKeys(config.prefix) }),
      ...{ logger: silentLogger(), version: "0.0.0-test", pageFiles: builtPage },
    });
    url = await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterAll(async () => {
    await app.close();
    await session.close();
  });

  test("has it in the API", async () => {
    expect((await ask(url, "/api/overview")).json.providers).toEqual(withTiny);
    const tree = (await ask(url, "/api/etl-tree")).json.providers;
    expect(tree).toEqual(expect.arrayContaining([expect.objectContaining({ id: "tiny" })]));
    expect((await ask(url, "/api/runs?provider=tiny")).json.runs).toEqual(withTiny);
    expect((await ask(url, "/api/providers/tiny/checkpoints")).json.checkpoints).not.toEqual([]);
    expect((await ask(url, "/api/records/TINY-3")).json).toMatchObject({ provider: "tiny" });
    expect((await ask(url, "/api/changes?provider=tiny")).json.changes).toEqual(withTiny);
    expect((await ask(url, "/queues/api/queues")).text).toContain("Batches of tiny");
  });

  test("has it in the metrics", async () => {
    const { text } = await ask(url, "/metrics");
    expect(text).toContain('uee_provider_records{provider="tiny"} 2');
    expect(text).toContain('uee_dead_letters{provider="tiny",class="bad-record"} 1');
    expect(text).toContain('uee_breaker_state{upstream="tiny",state="closed"} 1');
    expect(text).toMatch(/uee_queue_jobs\{queue="tiny",state="waiting"\} 0/);
  });

  (chromiumPath === undefined ? test.skip : test)("has it on the page", async () => {
    const browser = await launch();
    try {
      const { page, errors } = await openPage(browser);
      await page.goto(url);
      const branch = page.getByRole("article", { name: "tiny" });
      await branch.getByRole("button", { name: "Details of tiny" }).click();
      await branch.getByText("Last run", { exact: true }).waitFor();
      await branch.getByRole("button", { name: "Start tiny" }).waitFor();
      await page.goto(`${url}/runs`);
      await page.getByRole("option", { name: "tiny", exact: true }).first().waitFor({ state: "attached" });
      expect(errors).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
