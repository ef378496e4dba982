import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type LoadInput, loadConfig } from "../../../src/config/index.ts";
import { UeeError } from "../../../src/core/errors.ts";
import { providers } from "../../../src/providers/registry.ts";

const dirs: string[] = [];
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "uee-config-"));
  dirs.push(cwd);
});
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

const load = (input: LoadInput = {}) => loadConfig({ env: {}, cwd, ...input });
const writeFile = (name: string, values: unknown) => {
  const path = join(cwd, name);
  writeFileSync(path, typeof values === "string" ? values : JSON.stringify(values));
  return path;
};
const problemsOf = (input: LoadInput): string[] => {
  try {
    load(input);
  } catch (error) {
    if (error instanceof UeeError && error.code === "SYS_CONFIG_INVALID")
      return error.data.problems as string[];
    throw error;
  }
  return [];
};

describe("the configuration", () => {
  test("with nothing said is the documented defaults, in ms and bytes, and cannot be changed", () => {
    const { config, origins, warnings, file } = load();
    expect(config).toMatchObject({
      redisChecks: "on",
      prefix: "uee",
      dataDir: join(cwd, ".uee"),
      localRedisIdle: 60_000,
      concurrency: 2,
      inflightBytes: 24e6,
      permits: 10,
      errorRate: 0.1,
      errorMinimum: 200,
      bufferRecords: 10_000,
      changesLimit: 1_000_000,
      connectTimeout: 10_000,
      headersTimeout: 130_000,
      idleTimeout: 30_000,
      totalTimeout: 300_000,
      waitScale: 1,
      logLevel: "info",
      logFormat: "auto",
    });
    expect(Object.keys(config.providers)).toEqual(providers.map(({ name }) => name));
    expect(config.providers.cve).toEqual({ url: undefined, rate: undefined, pageSize: undefined });
    expect(origins.prefix).toEqual({ source: "default", name: "prefix" });
    expect(warnings).toEqual([]);
    expect(file).toBeUndefined();
    expect(() => Object.assign(config, { prefix: "x" })).toThrow(TypeError);
    expect(() => Object.assign(config.providers.cve!, { url: "x" })).toThrow(TypeError);
  });

  test("takes flags before environment before file, and knows where each value came from", () => {
    const path = writeFile("uee.config.json", { prefix: "file", logLevel: "debug", concurrency: 3 });
    const { config, origins, file } = load({
      env: { UEE_PREFIX: "env", UEE_LOG_LEVEL: "warn" },
      argvFlags: { prefix: "flag", timeout: "10m", wait: true },
    });
    expect(config).toMatchObject({ prefix: "flag", logLevel: "warn", concurrency: 3 });
    expect(origins.prefix).toEqual({ source: "flag", name: "--prefix" });
    expect(origins.logLevel).toEqual({ source: "environment", name: "UEE_LOG_LEVEL" });
    expect(origins.concurrency).toEqual({ source: "file", name: path });
    expect(file).toBe(path);
  });

  test("reads numbers, durations, sizes and rates as people write them", () => {
    const { config } = load({
      env: {
        UEE_CONCURRENCY: " 4 ",
        UEE_INFLIGHT_BYTES: "32MiB",
        UEE_LOCAL_REDIS_IDLE: "250ms",
        UEE_LOCAL_REDIS_MAXMEMORY: "1.5GB",
        UEE_TOTAL_TIMEOUT: "10m",
        UEE_WAIT_SCALE: "0.01",
        UEE_CVE_URL: "http://127.0.0.1:8080/cves",
        UEE_CWE_URL: "http://127.0.0.1:8080/cwe",
        UEE_CAPEC_URL: "http://127.0.0.1:8080/capec",
        UEE_ATTACK_URL: "http://127.0.0.1:8080/index.json",
        UEE_CVE_RATE: "50/30s",
        UEE_ATTACK_RATE: "unlimited",
        UEE_CVE_PAGE_SIZE: "500",
        UEE_LOG_LEVEL: "",
      },
    });
    expect(config).toMatchObject({
      concurrency: 4,
      inflightBytes: 33_554_432,
      localRedisIdle: 250,
      localRedisMaxMemory: 1.5e9,
      totalTimeout: 600_000,
      waitScale: 0.01,
      logLevel: "info",
    });
    expect(config.providers.cve).toEqual({
      url: "http://127.0.0.1:8080/cves",
      rate: { max: 50, windowMs: 30_000 },
      pageSize: 500,
    });
    expect(config.providers.attack?.rate).toBe("unlimited");
  });

  test("takes intervals, cron expressions and off for the schedules, and says what is wrong with others", () => {
    const { config } = load({
      env: { UEE_CVE_SCHEDULE: "1h", UEE_CVE_FULL_SCHEDULE: "0 3 * * 0", UEE_CWE_SCHEDULE: "off" },
    });
    expect(config.schedules).toBe("on");
    expect(config.providers.cve).toMatchObject({
      schedule: { every: 3_600_000 },
      fullSchedule: { cron: "0 3 * * 0" },
    });
    expect(config.providers.cwe).toMatchObject({ schedule: "off" });
    expect(config.providers.capec?.schedule).toBeUndefined();
    expect(() => load({ env: { UEE_CVE_SCHEDULE: "0 25 * * *", UEE_SCHEDULES: "no" } })).toThrow(
      /UEE_SCHEDULES must be one of on, off\.\s+- UEE_CVE_SCHEDULE must be an interval such as 2h, .*, or off: its hour cannot be read\./,
    );
  });

  test("takes plain numbers from a file, and its relative paths from the file's place", () => {
    const path = writeFile("other.json", {
      concurrency: 8,
      idleTimeout: 5_000,
      dataDir: "store",
      waitScale: 2,
    });
    const { config } = load({ cwd: "/", env: { UEE_CONFIG: path } });
    expect(config).toMatchObject({
      concurrency: 8,
      idleTimeout: 5_000,
      waitScale: 2,
      dataDir: join(cwd, "store"),
    });
    expect(load({ cwd: "/", argvFlags: { config: path } }).file).toBe(path);
  });

  test("reports every problem at once, with the name it was said under and what would be right", () => {
    writeFile("uee.config.json", { logLvel: "debug", idleTimeout: true });
    const problems = problemsOf({
      argvFlags: { prefix: "{x}" },
      env: {
        UEE_CONCURRENCY: "0",
        UEE_CVE_URL: "ftp://nvd",
        UEE_CVE_RATE: "fast",
        UEE_LOG_LEVEL: "loud",
        UEE_LOCAL_REDIS_IDLE: "soon",
        UEE_INFLIGHT_BYTES: "12",
        UEE_WAIT_SCALE: "-1",
        REDIS_URL: "http://redis",
      },
    }).join("\n");
    for (const said of [
      /uee\.config\.json: there is no setting 'logLvel'\. Did you mean logLevel\?/,
      /uee\.config\.json: idleTimeout must be a duration .* such as 30s/,
      /--prefix must be 1 to 64 letters, digits/,
      /UEE_CONCURRENCY must be a whole number from 1 to 64/,
      /UEE_CVE_URL must be an http:\/\/ or https:\/\/ address/,
      /UEE_CVE_RATE must be a rate such as 50\/30s, or unlimited/,
      /UEE_LOG_LEVEL must be one of fatal, error, warn/,
      /UEE_LOCAL_REDIS_IDLE must be a duration/,
      /UEE_INFLIGHT_BYTES must be a size of at least 1000000 bytes/,
      /UEE_WAIT_SCALE must be a number from 0 to 100/,
      /REDIS_URL .*must start with redis:\/\//,
    ]) {
      expect(problems).toMatch(said);
    }
    expect(problems.split("\n")).toHaveLength(11);
  });

  test.each([
    ["UEE_PERMITS", "0"],
    ["UEE_PERMITS", "4097"],
    ["UEE_PERMITS", "2.5"],
    ["UEE_ERROR_RATE", "1.1"],
    ["UEE_ERROR_RATE", "10%"],
    ["UEE_ERROR_MINIMUM", "0"],
    ["UEE_BUFFER_RECORDS", "99"],
  ])("refuses %s=%s", (name, value) => {
    expect(problemsOf({ env: { [name]: value } })).toEqual([expect.stringContaining(`${name} must be`)]);
  });

  test("takes the bounds of permits and error rate themselves", () => {
    for (const [UEE_PERMITS, UEE_ERROR_RATE] of [
      ["1", "0"],
      ["4096", "1"],
    ]) {
      const { config } = load({ env: { UEE_PERMITS, UEE_ERROR_RATE } });
      expect([config.permits, config.errorRate]).toEqual([Number(UEE_PERMITS), Number(UEE_ERROR_RATE)]);
    }
  });

  test.each(["a b", "{uee}", "", "-x", "x".repeat(65), "naïve"])("refuses %j as a prefix", (prefix) => {
    expect(problemsOf({ argvFlags: { prefix } })).toHaveLength(1);
  });

  test.each(["0/30s", "5", "5/", "5/30", "-5/30s", "5/0s", "5/30s/x"])("refuses %j as a rate", (rate) => {
    expect(problemsOf({ env: { UEE_CVE_RATE: rate } })).toHaveLength(1);
  });

  test("a file that is asked for and missing, broken or no object is a problem", () => {
    expect(problemsOf({ argvFlags: { config: "gone.json" } })).toEqual([
      `--config: ${join(cwd, "gone.json")} cannot be read.`,
    ]);
    writeFile("uee.config.json", "{");
    expect(problemsOf({}).join()).toMatch(/is not valid JSON/);
    writeFile("uee.config.json", "[]");
    expect(problemsOf({}).join()).toMatch(/must hold one JSON object/);
  });

  test("what is wrong with a file is said without what it holds: that may be a secret", () => {
    writeFile("uee.config.json", '{"nvdApiKey": hunter2}');
    expect(problemsOf({}).join()).toMatch(/is not valid JSON: Unexpected token 'h'\.$/);
    expect(problemsOf({}).join()).not.toContain("hunter2");
  });

  test("rules across fields are checked", () => {
    expect(problemsOf({ env: { UEE_TOTAL_TIMEOUT: "20s" } })).toEqual([
      "UEE_HEADERS_TIMEOUT (130000 ms) must not exceed UEE_TOTAL_TIMEOUT (20000 ms).",
      "UEE_IDLE_TIMEOUT (30000 ms) must not exceed UEE_TOTAL_TIMEOUT (20000 ms).",
    ]);
    expect(problemsOf({ env: { REDIS_TLS_CA: "ca.pem", REDIS_URL: "redis://cache" } }).join()).toMatch(
      /rediss/,
    );
    expect(problemsOf({ env: { REDIS_TLS_CA: "ca.pem", REDIS_URL: "rediss://cache" } })).toEqual([]);
  });

  test("no secret is in what is said of it", () => {
    const problems = problemsOf({ env: { REDIS_URL: "redis://u:hunter2@cache/x", UEE_CVE_RATE: "hunter2" } });
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain("hunter2");
  });
});

describe("warnings of the configuration", () => {
  test("name unknown UEE_ variables and what was meant, and keep quiet about those of other versions", () => {
    const { warnings } = load({
      env: {
        UEE_LOGLEVEL: "debug",
        UEE_ZZZZZZZZ: "1",
        UEE_PERMIT: "3",
        UEE_API_TOKEN: "a-token-that-is-long-enough",
        UEE_INSTALL: "0",
        HOME: "/",
      },
    });
    expect(warnings).toEqual([
      "UEE_LOGLEVEL is not a variable of UEE and has no effect. Did you mean UEE_LOG_LEVEL?",
      "UEE_PERMIT is not a variable of UEE and has no effect. Did you mean UEE_PERMITS?",
      "UEE_ZZZZZZZZ is not a variable of UEE and has no effect.",
    ]);
  });

  test("say that a snapshot has no pages, and suggest no other provider's page size", () => {
    const { warnings } = load({ env: { UEE_CWE_PAGE_SIZE: "100", UEE_CVE_PAGE_SIZE: "100" } });
    expect(warnings).toEqual([
      "UEE_CWE_PAGE_SIZE is not a variable of UEE and has no effect. The upstream of cwe is fetched whole; it has no pages.",
    ]);
  });

  test("doubt a key that is no UUID, without showing it", () => {
    const { warnings } = load({ env: { NVD_API_KEY: "not-a-key" } });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/NVD_API_KEY does not look like/);
    expect(warnings[0]).not.toContain("not-a-key");
    expect(load({ env: { NVD_API_KEY: "01234567-89ab-cdef-0123-456789abcdef" } }).warnings).toEqual([]);
  });

  test("name a rate that NVD itself does not allow, with and without a key", () => {
    const key = "01234567-89ab-cdef-0123-456789abcdef";
    expect(load({ env: { UEE_CVE_RATE: "50/30s" } }).warnings.join()).toMatch(
      /UEE_CVE_RATE: 50\/30s is more than/,
    );
    expect(load({ env: { UEE_CVE_RATE: "50/30s", NVD_API_KEY: key } }).warnings).toEqual([]);
    expect(load({ env: { UEE_CVE_RATE: "unlimited", NVD_API_KEY: key } }).warnings).toHaveLength(1);
    expect(load({ env: { UEE_CVE_RATE: "unlimited", UEE_CVE_URL: "http://127.0.0.1/" } }).warnings).toEqual(
      [],
    );
  });

  test("name shortened waits against real upstreams", () => {
    expect(load({ env: { UEE_WAIT_SCALE: "0.1" } }).warnings.join()).toMatch(
      new RegExp(`for tests.*${providers.map(({ name }) => name).join(", ")} are real`),
    );
  });
});
