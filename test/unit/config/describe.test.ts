import { describe, expect, test } from "@jest/globals";
import {
  describeConfig,
  effectiveRate,
  loadConfig,
  redactedView,
  secretsOf,
} from "../../../src/config/index.ts";
import { formatRate, parseBytes, parseRate } from "../../../src/config/values.ts";
import { suggest } from "../../../src/core/suggest.ts";
import { providers } from "../../../src/providers/registry.ts";

describe("the reference of the configuration", () => {
  test("says of every field its names, its default and a sentence", () => {
    const fields = describeConfig();
    for (const field of fields) {
      expect(field.description).toMatch(/^[A-Z].*\.$/);
      expect(field.env).toMatch(/^[A-Z][A-Z_]+$/);
      expect(field.flag).toMatch(/^--[a-z-]+$/);
      expect(field.default).not.toBe("");
    }
    expect(new Set(fields.map(({ env }) => env)).size).toBe(fields.length);
    expect(fields.find(({ key }) => key === "cveRate")).toMatchObject({
      env: "UEE_CVE_RATE",
      flag: "--cve-rate",
      default: "5/30s; with a key 50/30s",
    });
    expect(fields.find(({ key }) => key === "inflightBytes")?.default).toBe("24MB");
  });

  test("has the settings of every provider of the registry; a page size only where there are pages", () => {
    const envs = describeConfig().map(({ env }) => env);
    for (const { name, kind, upstream } of providers) {
      const start = `UEE_${name.toUpperCase()}`;
      expect(envs).toEqual(expect.arrayContaining([upstream.urlEnv, `${start}_RATE`]));
      expect([name, envs.includes(`${start}_PAGE_SIZE`)]).toEqual([name, kind === "windowed"]);
    }
  });
});

describe("the effective configuration as it is shown", () => {
  const env = {
    REDIS_URL: "redis://app:hunter2@cache",
    NVD_API_KEY: "01234567-89ab-cdef-0123-456789abcdef",
    UEE_CVE_URL: "https://me:hunter2@mirror.example/cves",
    UEE_ATTACK_URL: "https://me:hunter2@mirror.example/index.json?token=hunter2",
    UEE_CVE_FEEDS_URL: "https://mirror.example/feeds?token=hunter2-feeds",
    UEE_SERVE_TOKEN: "hunter2-hunter2-hunter2-hunter2-serve",
    UEE_POSTGRES_URL: "postgres://me:hunter2-postgres@db/uee",
    UEE_WEBHOOK_URL: "https://hooks.example/services/hunter2-hook",
    UEE_CVE_RATE: "10/1s",
    HTTPS_PROXY: "http://me:hunter2@proxy:3128",
    no_proxy: "localhost",
  };
  const rows = redactedView(loadConfig({ env, cwd: "/" }), env);
  const row = (key: string) => rows.find((candidate) => candidate.key === key);

  test("shows no secret, wherever one may hide", () => {
    const text = JSON.stringify(rows);
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain("cdef");
    expect(row("redisUrl")?.value).toBe("redis://app:***@cache");
    expect(row("nvdApiKey")?.value).toBe("***");
    expect(row("attackUrl")?.value).toBe("https://***@mirror.example/index.json?token=***");
  });

  test("every setting that has a value or a default shows it", () => {
    expect(row("cveFeedsUrl")?.value).toBe("https://mirror.example/feeds?token=***");
    expect(row("cveReconcileSchedule")?.value).toBe("24h");
    const feeds = (own: Record<string, string>) =>
      redactedView(loadConfig({ env: own, cwd: "/" }), own).find(({ key }) => key === "cveFeedsUrl")?.value;
    expect(feeds({})).toMatch(/^https:\/\/nvd\.nist\.gov\//);
    expect(feeds({ UEE_CVE_URL: "https://mirror.example/cves" })).toBe("off");
  });

  test("what is removed from answers and events holds the secrets of every setting", () => {
    const secrets = secretsOf(loadConfig({ env, cwd: "/" }).config);
    const every = [
      "/services/hunter2-hook",
      "hunter2",
      "hunter2-feeds",
      "hunter2-postgres",
      env.UEE_SERVE_TOKEN,
      env.NVD_API_KEY,
    ];
    expect(secrets).toEqual(expect.arrayContaining(every));
  });

  test("shows every value with its origin, and the surroundings", () => {
    expect(row("cveRate")).toEqual({
      key: "cveRate",
      env: "UEE_CVE_RATE",
      value: "10/1s",
      text: "10/1s",
      origin: { source: "environment", name: "UEE_CVE_RATE" },
    });
    expect(row("connectTimeout")).toMatchObject({ value: 10_000, text: "10s" });
    expect(row("totalTimeout")).toMatchObject({ value: 300_000, text: "5m" });
    expect(row("inflightBytes")).toMatchObject({ value: 24_000_000, text: "24MB" });
    expect(row("permits")).toMatchObject({ value: 10, text: "10" });
    expect(row("prefix")).toMatchObject({ value: "uee", origin: { source: "default" } });
    expect(row("cweUrl")?.value).toBe("https://cwe.mitre.org/data/xml/cwec_latest.xml.zip");
    expect(row("HTTPS_PROXY")?.value).toBe("http://***@proxy:3128");
    expect(row("NO_PROXY")).toMatchObject({ value: "localhost", origin: { name: "no_proxy" } });
    expect(row("NODE_EXTRA_CA_CERTS")?.value).toBeNull();
  });
});

describe("values as people write them", () => {
  test("the rate that holds depends on the key where nothing is said", () => {
    const { upstream } = providers.find(({ name }) => name === "cve")!;
    expect(effectiveRate({ rate: undefined }, upstream, undefined)).toEqual({ max: 5, windowMs: 30_000 });
    expect(effectiveRate({ rate: undefined }, upstream, "key")).toEqual({ max: 50, windowMs: 30_000 });
    expect(effectiveRate({ rate: "unlimited" }, upstream, undefined)).toBe("unlimited");
  });

  test("rates and sizes survive being read", () => {
    expect(formatRate(parseRate("50/30s")!)).toBe("50/30s");
    expect(formatRate(parseRate("2/250ms")!)).toBe("2/250ms");
    expect(parseBytes("1kb")).toBe(1_000);
    expect(parseBytes("1 KiB")).toBe(1_024);
    expect(parseBytes("1 apple")).toBeUndefined();
  });

  test("a near miss is recognised, a stranger is not", () => {
    expect(suggest("concurency", ["concurrency", "prefix"])).toBe("concurrency");
    expect(suggest("UEE_REDIS_CHECK", ["UEE_REDIS_CHECKS", "UEE_CONFIG"])).toBe("UEE_REDIS_CHECKS");
    expect(suggest("banana", ["concurrency", "prefix"])).toBeUndefined();
  });
});
