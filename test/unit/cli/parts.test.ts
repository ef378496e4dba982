import { describe, expect, test } from "@jest/globals";
import { compareWithUpstream, comparisonLine, faultLine, movedLine } from "../../../src/cli/demoStory.ts";
import { checkUpstream } from "../../../src/cli/doctor/upstreamCheck.ts";
import { invocation } from "../../../src/cli/output.ts";
import { makeStyle } from "../../../src/cli/render/text.ts";
import { loadConfig } from "../../../src/config/index.ts";
import { type ErrorCode, UeeError } from "../../../src/core/errors.ts";
import type { Fetcher } from "../../../src/core/fetching.ts";
import { engineSettings, isKeyless, watchOutages } from "../../../src/session/openMirror.ts";
import { each, fakeEngine } from "./support.ts";

const plain = makeStyle(false);

describe("an outage of Redis", () => {
  test("is lost when it lasts too long, and says so", async () => {
    const said: string[] = [];
    const watch = watchOutages(10, (message) => said.push(message));
    watch.onState("lost", "connection refused");
    await new Promise<void>((resolve) => watch.lost.addEventListener("abort", () => resolve()));
    expect(watch.lost.reason).toMatchObject({ code: "SYS_REDIS_UNREACHABLE" });
    expect(said[0]).toContain("Redis is away (connection refused); waiting for up to");
  });

  test("that ends is none, and services wait for ever", async () => {
    const said: string[] = [];
    const short = watchOutages(10, (message) => said.push(message));
    short.onState("lost", "x");
    short.onState("back", "");
    const service = watchOutages(Number.POSITIVE_INFINITY, (message) => said.push(message));
    service.onState("lost", "x");
    // Longer than the limit: a timer that still ran would have fired.
    const other = watchOutages(30, () => {});
    other.onState("lost", "x");
    await new Promise<void>((resolve) => other.lost.addEventListener("abort", () => resolve()));
    expect(short.lost.aborted).toBe(false);
    expect(service.lost.aborted).toBe(false);
    expect(said).toEqual([
      expect.stringContaining("away"),
      "Redis is back; going on.",
      "Redis is away (x); waiting.",
    ]);
  });
});

describe("settings of the engine", () => {
  const config = (env: NodeJS.ProcessEnv) => loadConfig({ env, cwd: "/" }).config;

  test("a first load without a key is announced only for NVD's API itself at its own rate, without year feeds", () => {
    const off = { UEE_CVE_FEEDS_URL: "off" };
    expect(isKeyless(config(off))).toBe(true);
    expect(isKeyless(config({}))).toBe(false);
    expect(isKeyless(config({ ...off, NVD_API_KEY: "0aa0aa00-1111-2222-3333-444444444444" }))).toBe(false);
    expect(isKeyless(config({ ...off, UEE_CVE_URL: "http://127.0.0.1:1/" }))).toBe(false);
  });

  test("what governs the fleet reaches it, as the design has it unless something else is said", () => {
    const governed = (env: NodeJS.ProcessEnv) => {
      const { permits, errorRate, errorMinimum, bufferRecords } = engineSettings(config(env));
      return { permits, errorRate, errorMinimum, bufferRecords };
    };
    expect(governed({})).toEqual({
      permits: 10,
      errorRate: 0.1,
      errorMinimum: 200,
      bufferRecords: 10_000,
    });
    expect(
      governed({
        UEE_PERMITS: "3",
        UEE_ERROR_RATE: "0.25",
        UEE_ERROR_MINIMUM: "50",
        UEE_BUFFER_RECORDS: "4000",
      }),
    ).toEqual({ permits: 3, errorRate: 0.25, errorMinimum: 50, bufferRecords: 4_000 });
  });

  test("the NVD key goes to cve alone", () => {
    const { providers } = engineSettings(
      config({ NVD_API_KEY: "0aa0aa00-1111-2222-3333-444444444444", UEE_CWE_RATE: "1/5s" }),
    );
    expect(
      Object.entries(providers)
        .filter(([, own]) => own.apiKey !== undefined)
        .map(([name]) => name),
    ).toEqual(["cve"]);
    expect(providers.cwe).toEqual({ rate: { max: 1, windowMs: 5_000 } });
  });
});

describe("doctor's look at an upstream", () => {
  const failing = (code: ErrorCode, detail?: string): Fetcher => ({
    fetch: () => Promise.reject(new UeeError(code, detail)),
    stream: () => Promise.reject(new UeeError(code, detail)),
  });
  const probe = (fetcher: Fetcher, env: NodeJS.ProcessEnv = {}) =>
    checkUpstream({
      query: { resultsPerPage: "1" },
      upstream: "cve",
      url: "https://127.0.0.1:1/rest",
      apiKey: "k",
      fetcher: () => fetcher,
      env,
      timeoutMs: 1_000,
    });

  test.each<[ErrorCode, "note" | "problem", RegExp]>([
    ["PROV_TLS", "problem", /^TLS: /],
    ["PROV_BAD_KEY", "problem", /^Key: 127\.0\.0\.1:1 refused the API key/],
    ["PROV_CONNECTION", "problem", /^Network: /],
    ["PROV_THROTTLED", "note", /requires a wait/],
    ["PROV_RATE_WAIT", "note", /^not asked/],
    ["PROV_CIRCUIT_OPEN", "problem", /^not asked: .*circuit breaker/],
    ["PROV_HTML", "problem", /^PROV_HTML: /],
  ])("%s is a %s of its own kind", async (code, verdict, message) => {
    expect(await probe(failing(code))).toMatchObject({ verdict, message: expect.stringMatching(message) });
  });

  test("a proxy in between is named", async () => {
    const finding = await probe(failing("PROV_CONNECTION"), { HTTPS_PROXY: "http://127.0.0.1:3128" });
    expect(finding.message).toMatch(/^Proxy or network: .* through the proxy 127\.0\.0\.1:3128$/);
  });

  test("an upstream that answers is left after its first bytes", async () => {
    let read = 0;
    const fetcher: Fetcher = {
      fetch: () => Promise.reject(new Error("not asked for")),
      stream: async ({ url, headers }) => {
        expect(url).toBe("https://127.0.0.1:1/rest?resultsPerPage=1");
        expect(headers).toEqual({ apiKey: "k" });
        return {
          status: 200,
          headers: {},
          url,
          fetchedAt: 1,
          body: (async function* () {
            for (; read < 1_000; read++) yield Buffer.from("{");
          })(),
        };
      },
    };
    expect(await probe(fetcher)).toMatchObject({
      verdict: "ok",
      message: expect.stringContaining("with the API key"),
    });
    expect(read).toBeLessThan(3);
  });
});

describe("the demo", () => {
  const stored = (id: string, data: Record<string, unknown>) => ({
    ...{ urn: `v2e::nvd::cve::${id}`, provider: "cve", id, firstSeen: "", lastChanged: "" },
    data,
  });
  const compare = (
    ours: ReturnType<typeof stored>[],
    theirs: { id: string; data?: unknown; xml?: string }[],
  ) => {
    const engine = fakeEngine();
    return compareWithUpstream(
      { ...engine, records: { ...engine.records, export: () => each(...ours) } },
      { content: () => theirs },
      "cve",
    );
  };

  test("finds what is missing, too much or different, and nothing else", async () => {
    const a = { x: 1, y: [2] };
    expect(
      await compare(
        [stored("a", { y: [2], x: 1 }), stored("b", {})],
        [
          { id: "a", data: a },
          { id: "b", data: {} },
        ],
      ),
    ).toEqual({
      provider: "cve",
      records: 2,
      contents: 2,
      different: [],
    });
    const odd = await compare(
      [stored("b", {}), stored("c", { x: 1 }), stored("d", {})],
      [
        { id: "a", data: {} },
        { id: "b", data: {} },
        { id: "c", data: { x: 2 } },
        { id: "e", data: {} },
      ],
    );
    expect(odd.different).toEqual(["a", "c", "d", "e"]);
    expect((await compare([stored("a", {})], [{ id: "a", xml: "<a/>" }])).contents).toBe(0);
  });

  test("tells what it saw in figures", () => {
    expect(faultLine({ "status-503": 2, reset: 1, stall: 0 }, plain)).toContain(
      "3 answers broken on purpose (503 ×2, connection reset)",
    );
    expect(comparisonLine([{ provider: "cve", records: 10, contents: 8, different: [] }], plain)).toBe(
      "Equal to the upstreams: 8 records compared field by field, 2 by id.",
    );
    expect(
      comparisonLine([{ provider: "cve", records: 10, contents: 8, different: ["x"] }], plain),
    ).toContain("cve x");
    const report = { added: ["a"], modified: [], rejected: [], silent: ["b", "c"], removed: [] };
    expect(movedLine({ cve: report, cwe: report }, plain)).toContain(
      "2 new, 0 modified, 0 rejected, 4 edited silently",
    );
  });
});

test("commands to try next are written as they can be typed here", () => {
  expect(invocation({ script: "/a/uee/bin/uee" }, "/a/uee")).toBe("./bin/uee");
  expect(invocation({ script: "/usr/bin/uee" }, "/a/uee")).toBe("uee");
});
