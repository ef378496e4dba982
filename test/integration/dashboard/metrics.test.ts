/** Metrics: right, by convention, bounded, cheap; and what dashboards and alerts ask for is there. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { definitions } from "../../../src/dashboard/metrics/definitions.ts";
import { providers as registered } from "../../../src/providers/registry.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import { type Metric, readMetrics, sampleOf } from "../../support/promText.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

const registeredNames = registered.map(({ name }) => name);
const oneOf = (names: readonly string[]): RegExp => new RegExp(`^(${names.join("|")})$`);

let dashboard: TestDashboard;
let listing: ListingServer;
beforeAll(async () => {
  listing = await startListing(makeRecords(2_500));
  dashboard = await startDashboard({
    // No look is shared: what happened shows at once.
    limits: { pollMs: 0 },
    engine: { providers: { cve: { url: listing.url, rate: "unlimited" } }, permits: 7 },
  });
});
afterAll(async () => {
  await dashboard.close();
  await listing.close();
});

const scrape = async (): Promise<Map<string, Metric>> => {
  const { status, headers, text } = await dashboard.get("/metrics");
  expect([status, headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  return readMetrics(text);
};

describe("metrics tell", () => {
  test("what runs did, as counters that never fall, open runs included", async () => {
    const of = async () => {
      const metrics = await scrape();
      const cve = { provider: "cve" };
      return {
        created: sampleOf(metrics, "uee_records_total", { ...cve, outcome: "created" }),
        unchanged: sampleOf(metrics, "uee_records_total", { ...cve, outcome: "unchanged" }),
        requests: sampleOf(metrics, "uee_upstream_requests_total", { upstream: "cve" }),
        full: sampleOf(metrics, "uee_runs_total", { ...cve, mode: "full", result: "complete" }),
        batches: sampleOf(metrics, "uee_batches_total", { ...cve, outcome: "committed" }),
      };
    };
    expect(await of()).toEqual({ created: 0, unchanged: 0, requests: 0, full: undefined, batches: 0 });
    await dashboard.test.run("cve");
    expect(await of()).toEqual({ created: 2_500, unchanged: 0, requests: 2, full: 1, batches: 2 });
    const { runId } = await dashboard.test.engine.openRun({ provider: "cve", mode: "full" });
    const falls: unknown[] = [];
    const worker = await dashboard.test.engine.startWorker();
    let last = await of();
    for (let open = true; open; ) {
      open = (await dashboard.test.engine.runProgress("cve", runId)).phase !== "closed";
      const next = await of();
      for (const [name, value] of Object.entries(next)) {
        if ((value ?? 0) < (last[name as keyof typeof last] ?? 0)) falls.push({ name, last, next });
      }
      last = next;
    }
    await worker.stop();
    expect(falls).toEqual([]);
    expect(await of()).toEqual({ created: 2_500, unchanged: 2_500, requests: 4, full: 2, batches: 4 });
  });

  test("states, freshness, permits, queues and Redis", async () => {
    await dashboard.send("POST", "/api/providers/cwe/pause");
    const metrics = await scrape();
    const value = (name: string, labels = {}) => sampleOf(metrics, name, labels);
    expect(value("uee_provider_state", { provider: "cwe", state: "PAUSED" })).toBe(1);
    expect(value("uee_provider_state", { provider: "cwe", state: "IDLE" })).toBe(0);
    expect(value("uee_provider_verified", { provider: "cve" })).toBe(1);
    expect(value("uee_provider_verified", { provider: "cwe" })).toBe(0);
    expect(value("uee_provider_verified_age_seconds", { provider: "cve" })).toBeLessThan(120);
    expect(value("uee_provider_verified_age_seconds", { provider: "cwe" })).toBeUndefined();
    const watermark = Date.parse(`${listing.records.at(-1)!.lastModified}Z`);
    const age = value("uee_provider_watermark_age_seconds", { provider: "cve" })!;
    expect(Math.abs(age - (Date.now() - watermark) / 1_000)).toBeLessThan(120);
    expect(value("uee_provider_records", { provider: "cve" })).toBe(2_500);
    expect(value("uee_permits", { state: "configured" })).toBe(7);
    expect(value("uee_queue_jobs", { queue: "runs", state: "waiting" })).toBe(0);
    expect(value("uee_queue_jobs", { queue: "cve", state: "failed" })).toBe(0);
    expect(value("uee_provider_transitions_total", { provider: "cwe" })).toBe(1);
    expect(value("uee_redis_up")).toBe(1);
    expect(value("uee_redis_used_memory_bytes")).toBeGreaterThan(1e6);
    expect(value("uee_build_info", { version: "0.0.0-test" })).toBe(1);
    expect(value("uee_http_requests_total", { route: "/metrics", status: "200" })).toBeGreaterThan(0);
  });

  test("only what is known: without workers no age of a heartbeat, without Redis no fleet at all", async () => {
    const own = await startDashboard({ limits: { pollMs: 0 } });
    const worker = await own.test.engine.startWorker();
    let metrics = readMetrics((await own.get("/metrics")).text);
    expect(sampleOf(metrics, "uee_workers", { health: "live" })).toBe(1);
    expect(sampleOf(metrics, "uee_worker_heartbeat_max_age_seconds")).toBeLessThan(60);
    await worker.stop();
    metrics = readMetrics((await own.get("/metrics")).text);
    expect(sampleOf(metrics, "uee_workers", { health: "live" })).toBe(0);
    expect(sampleOf(metrics, "uee_worker_heartbeat_max_age_seconds")).toBeUndefined();
    await own.redis.kill();
    metrics = readMetrics((await own.get("/metrics")).text);
    expect(sampleOf(metrics, "uee_redis_up")).toBe(0);
    expect([...metrics.keys()].filter((name) => definitions.some((one) => one.name === name))).toEqual([]);
    await own.close();
  });
});

describe("metrics keep to the conventions", () => {
  const boundedLabels: Record<string, RegExp> = {
    provider: oneOf(registeredNames),
    upstream: oneOf([...registeredNames, "cve-feeds"]),
    queue: oneOf([...registeredNames, "runs"]),
    state: /^([A-Z_]{4,20}|[a-z_]{4,12})$/,
    code: /^(SYS|RPC|PROV|STOR|PERM|VAL|API)_[A-Z_]+$/,
    mode: /^(full|incremental|reconcile|replay)$/,
    result:
      /^(complete|incomplete|stopped|failed|checked|equal|newer|stale|missing|extra|repaired|unexplained)$/,
    outcome: /^(created|updated|unchanged|removed|dead|committed|success|failure|ignored|rejected)$/,
    health: /^(live|late|dead)$/,
    class: /^(exhausted|permanent|stalled|bad-record)$/,
    method: /^[A-Z]+$/,
    route: /^(\/[\w/:.*-]*|unknown)$/,
    status: /^\d{3}$/,
    problem: /^(paused|failed|incomplete|dead_letters|unreconciled|stale|overdue|unverified)$/,
    version: /^\S+$/,
    le: /^(\+Inf|[\d.]+)$/,
  };
  const units = /_(seconds|bytes|ratio|info|total)$/;

  test("names, types, units and helps, as promtool would have them", async () => {
    const metrics = await scrape();
    const complaints: string[] = [];
    for (const { name, help, type, samples } of metrics.values()) {
      const complain = (what: string) => complaints.push(`${name}: ${what}`);
      if (!/^(uee|process|nodejs)_[a-z0-9_]*[a-z0-9]$/.test(name)) complain("is no proper name");
      if (/__|_(milliseconds|ms|minutes|hours|kilobytes|megabytes|percent)(_|$)/.test(name))
        complain("is in no base unit");
      if (help.length < 5) complain("has no help");
      if (!name.startsWith("uee_")) continue;
      if (!help.endsWith(".")) complain("has a help that is no sentence");
      if ((type === "counter") !== name.endsWith("_total")) complain(`is a ${type}`);
      if (/_(count|sum|bucket)$/.test(name)) complain("ends as parts of histograms do");
      if (name.includes(`_${type}`)) complain("names its type");
      if (!["counter", "gauge", "histogram"].includes(type)) complain(`has the type ${type}`);
      if (/_(age|duration|delay|latency|memory|share|saturation)(_|$)/.test(name) && !units.test(name))
        complain("has no unit");
      for (const { labels, value } of samples) {
        if (!Number.isFinite(value)) complain(`has the value ${value}`);
        for (const [label, text] of Object.entries(labels)) {
          if (!boundedLabels[label]?.test(text)) complain(`has the label ${label}="${text}"`);
        }
      }
    }
    expect(complaints).toEqual([]);
  });

  test("every metric that is defined is told, and every label that it names is bounded", async () => {
    await dashboard.test.engine.openRun({ provider: "cve", mode: "full" });
    const worker = await dashboard.test.engine.startWorker({ providers: [] });
    const told = await scrape();
    await worker.stop();
    await dashboard.test.engine.stop("cve");
    // Known later: after a first schedule, audit or heartbeat with figures.
    const later = new Set([
      ...[
        "uee_provider_next_run_seconds",
        "uee_permit_audit_age_seconds",
        "uee_worker_resident_memory_max_bytes",
      ],
      ...["uee_reconciled_records", "uee_reconciled_age_seconds"],
      ...["uee_worker_loop_delay_max_seconds", "uee_worker_fetch_max_age_seconds", "uee_dead_letter_codes"],
    ]);
    const untold = definitions.map(({ name }) => name).filter((name) => !told.has(name) && !later.has(name));
    expect(untold).toEqual([]);
    for (const { labels } of definitions) {
      for (const label of labels) expect(Object.keys(boundedLabels)).toContain(label);
    }
  });

  test("no request adds a series of its own", async () => {
    await dashboard.get("/api/records/CVE-2021-1");
    await dashboard.get("/api/nothing-1");
    const before = (await scrape()).get("uee_http_requests_total")!.samples.length;
    for (let i = 2; i < 30; i++) {
      await dashboard.get(`/api/records/CVE-2021-${i}`);
      await dashboard.get(`/api/nothing-${i}`);
    }
    expect((await scrape()).get("uee_http_requests_total")!.samples.length).toBeLessThanOrEqual(before + 1);
  });

  test("fifty scrapes at once ask Redis for the fleet once", async () => {
    const usual = await dashboard.another({ limits: {} });
    const redis = dashboard.redis.client();
    const asked = async (): Promise<number> =>
      Number(/cmdstat_xrevrange:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? 0);
    const during = async (scrapes: number): Promise<number> => {
      const before = await asked();
      await Promise.all(Array.from({ length: scrapes }, () => usual.get("/metrics")));
      return (await asked()) - before;
    };
    const once = await during(1);
    expect(once).toBeGreaterThan(3);
    // Fifty take longer than a look stays fresh on a slow machine; never as many looks as scrapes.
    expect(await during(50)).toBeLessThan(once * 10);
  });
});

describe("what is deployed beside", () => {
  const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
  const known = new Map(definitions.map(({ name, labels }) => [name, labels]));
  const own = new Map([
    ["uee_redis_up", []],
    ["uee_build_info", ["version"]],
    ["uee_http_requests_total", ["method", "route", "status"]],
    ["uee_http_request_duration_seconds_bucket", ["method", "route", "le"]],
  ]);

  function check(expression: string): string[] {
    const complaints: string[] = [];
    for (const [, name = "", selector = ""] of expression.matchAll(/\b(uee_\w+)(?:\{([^}]*)\})?/g)) {
      const labels = known.get(name) ?? own.get(name);
      if (labels === undefined) complaints.push(`there is no metric ${name}`);
      for (const [, label = ""] of selector.matchAll(/(\w+)\s*[=!]/g)) {
        if (labels !== undefined && !(labels as readonly string[]).includes(label))
          complaints.push(`${name} has no label ${label}`);
      }
    }
    return complaints;
  }

  interface Rule {
    alert: string;
    expr: string;
    for: string;
    annotations: Record<string, string>;
  }
  const rules = (parse(read("deploy/alerts.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    (group) => group.rules,
  );

  test("alerts are few, use metrics that exist, and lead to their runbook", () => {
    expect(rules.map(({ alert }) => alert)).toEqual([
      ...["UeeMetricsAbsent", "UeeRedisAway", "UeeRedisTrouble", "UeeStale", "UeeIncomplete"],
      ...["UeeUnreconciled", "UeePaused", "UeeDeadLetters", "UeeDeadLettersNearCap", "UeeNoWorkers"],
    ]);
    const operations = read("docs/operations.md");
    for (const { expr, annotations, for: wait } of rules) {
      expect(check(expr)).toEqual([]);
      expect(wait).toMatch(/^\d+m$/);
      const [, anchor = ""] = /^docs\/operations\.md#([\w-]+)$/.exec(annotations.runbook_url ?? "") ?? [];
      expect(operations).toContain(`<a id="${anchor}"></a>`);
      expect(annotations.summary).toBeTruthy();
    }
  });

  test("Grafana's dashboard and the autoscaler use metrics that exist", async () => {
    const board = JSON.parse(read("deploy/grafana-dashboard.json")) as {
      title: string;
      panels: {
        title: string;
        type: string;
        targets?: { expr: string }[];
        gridPos: { x: number; y: number; w: number; h: number };
      }[];
    };
    const expressions = board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(12);
    for (const expression of [...expressions, read("deploy/kubernetes/autoscaler.yaml")]) {
      expect(check(expression)).toEqual([]);
    }
    for (const { title, type, targets } of board.panels) {
      expect([title, type === "row" || (targets ?? []).length > 0]).toEqual([title, true]);
    }
    await dashboard.test.run("cve");
    const { text } = await dashboard.get("/metrics");
    const served = new Set([...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
    const used = new Set(
      expressions.flatMap((one) =>
        [...one.matchAll(/\buee_\w+/g)].map(([name]) => name.replace(/_bucket$/, "")),
      ),
    );
    // Without an open run, a live worker and a comparison with feeds these have no value.
    const valueless = /^uee_(run_progress_ratio|reconciled_\w+|worker_\w+_max_(age_)?(seconds|bytes))$/;
    expect([...used].filter((name) => !served.has(name) && !valueless.test(name))).toEqual([]);
    expect([...used]).toEqual(
      expect.arrayContaining([
        ...["uee_breaker_state", "uee_stranded", "uee_redis_trouble", "uee_provider_verified_age_seconds"],
        ...["uee_reconciled_records", "uee_provider_problem"],
      ]),
    );
    const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)}/${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });
});
