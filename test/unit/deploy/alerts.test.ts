/** The alerting rules, evaluated by Prometheus' own tool over fleets on paper. Debian's package `prometheus` has it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "@jest/globals";
import { parse, stringify } from "yaml";
import { parseAddress } from "../../../src/dashboard/page/state/address.ts";

const rulesFile = fileURLToPath(new URL("../../../deploy/alerts.yml", import.meta.url));
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "uee-alerts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Series by name and labels, in promtool's notation: a value a minute. `_` is a missing sample. */
type Series = Record<string, string>;

const target = 'job="uee",instance="dashboard-1"';
const problem = (kind: string): string => `uee_provider_problem{provider="cwe",problem="${kind}",${target}}`;

/** Six hours of a fleet in which nothing is wrong. */
const healthy: Series = {
  [`up{${target}}`]: "1x360",
  [`uee_redis_up{${target}}`]: "1x360",
  [`uee_redis_trouble{${target}}`]: "0x360",
  [`uee_stranded{${target}}`]: "0x360",
  [`uee_workers{health="live",${target}}`]: "2x360",
  [`uee_workers{health="dead",${target}}`]: "1x360",
  [`uee_run_open{provider="cwe",${target}}`]: "0x360",
  [`uee_dead_letter_cap_ratio{provider="cwe",${target}}`]: "0x360",
  [`uee_provider_verified_age_seconds{provider="cwe",${target}}`]: "600+60x360",
  ...Object.fromEntries(
    ["paused", "failed", "incomplete", "dead_letters", "stale", "overdue", "unverified"].map((kind) => [
      problem(kind),
      "0x360",
    ]),
  ),
};

const goneAfterAnHour: Series = Object.fromEntries(
  Object.entries(healthy).map(([series, values]) => [series, values.replace("x360", "x60 _x300")]),
);

/** The same fleet whose dashboard loses Redis after an hour: all that is read from Redis is absent from then on. */
const redisAway: Series = {
  ...goneAfterAnHour,
  [`up{${target}}`]: "1x360",
  [`uee_redis_up{${target}}`]: "1x60 0x300",
};

interface Case {
  title: string;
  series: Series;
  /** Minutes after the start. */
  at: number;
  /** Alert and provider of those that fire; no others may. */
  fires: string[];
}

const withOver = (over: Series): Series => ({ ...healthy, ...over });

const cases: Case[] = [
  { title: "a healthy fleet fires none", series: healthy, at: 360, fires: [] },
  { title: "Redis away for 55 minutes fires", series: redisAway, at: 115, fires: ["UeeRedisAway"] },
  { title: "Redis away for four minutes fires none", series: redisAway, at: 64, fires: [] },
  {
    title: "Redis seen by one dashboard of two is not away",
    series: withOver({ 'uee_redis_up{job="uee",instance="dashboard-2"}': "0x360" }),
    at: 360,
    fires: [],
  },
  {
    title: "a dead exporter fires, also where it was the only one",
    series: {
      ...goneAfterAnHour,
      [`up{${target}}`]: "1x60 0x300",
    },
    at: 115,
    // Once for what is gone altogether, once for the instance.
    fires: ["UeeMetricsAbsent", "UeeMetricsAbsent"],
  },
  {
    title: "one dead exporter of two fires by its name alone",
    series: withOver({
      'up{job="uee",instance="dashboard-2"}': "1x60 0x300",
      'uee_redis_up{job="uee",instance="dashboard-2"}': "1x60 _x300",
    }),
    at: 115,
    fires: ["UeeMetricsAbsent"],
  },
  {
    title: "a target that is not of UEE may be down",
    series: withOver({ 'up{job="node",instance="n1"}': "0x360" }),
    at: 360,
    fires: [],
  },
  { title: "no scrape at all fires", series: {}, at: 30, fires: ["UeeMetricsAbsent"] },
  {
    title: "Redis that refuses writes fires",
    series: withOver({ [`uee_redis_trouble{${target}}`]: "1x360" }),
    at: 30,
    fires: ["UeeRedisTrouble"],
  },
  {
    title: "an incomplete run fires",
    series: withOver({ [problem("incomplete")]: "1x360" }),
    at: 30,
    fires: ["UeeIncomplete cwe"],
  },
  {
    title: "a failed run fires",
    series: withOver({ [problem("failed")]: "1x360" }),
    at: 30,
    fires: ["UeeIncomplete cwe"],
  },
  {
    title: "a stale provider fires",
    series: withOver({ [problem("stale")]: "1x360" }),
    at: 30,
    fires: ["UeeStale cwe"],
  },
  {
    title: "a scheduled run that no worker opens fires",
    series: withOver({ [problem("overdue")]: "1x360" }),
    at: 30,
    fires: ["UeeStale cwe"],
  },
  {
    title: "without a schedule a week is stale",
    series: withOver({
      [`uee_provider_verified_age_seconds{provider="cwe",${target}}`]: "604800+60x360",
    }),
    at: 30,
    fires: ["UeeStale cwe"],
  },
  {
    title: "a provider that was never verified fires, once no run is open",
    series: withOver({
      [problem("unverified")]: "1x360",
      [`uee_run_open{provider="cwe",${target}}`]: "1x60 0x300",
    }),
    at: 90,
    fires: ["UeeStale cwe"],
  },
  {
    title: "a first load under way fires none",
    series: withOver({
      [problem("unverified")]: "1x360",
      [`uee_run_open{provider="cwe",${target}}`]: "1x360",
    }),
    at: 90,
    fires: [],
  },
  {
    title: "a pause that lasts fires",
    series: withOver({ [problem("paused")]: "1x360" }),
    at: 45,
    fires: ["UeePaused cwe"],
  },
  {
    title: "dead letters that stay fire",
    series: withOver({ [problem("dead_letters")]: "1x360" }),
    at: 90,
    fires: ["UeeDeadLetters cwe"],
  },
  {
    title: "dead letters near their cap fire",
    series: withOver({ [`uee_dead_letter_cap_ratio{provider="cwe",${target}}`]: "0.95x360" }),
    at: 30,
    fires: ["UeeDeadLettersNearCap cwe"],
  },
  {
    title: "a fleet without workers fires",
    series: withOver({ [`uee_workers{health="live",${target}}`]: "2x60 0x300" }),
    at: 90,
    fires: ["UeeNoWorkers"],
  },
  {
    title: "jobs that no live worker takes fire",
    series: withOver({ [`uee_stranded{${target}}`]: "1x360" }),
    at: 30,
    fires: ["UeeNoWorkers"],
  },
];

/** What promtool says of the case; empty when exactly the alerts named fire. */
function complaints({ series, at, fires }: Case): string {
  const wanted = new Map<string, number>();
  for (const alert of fires) wanted.set(alert, (wanted.get(alert) ?? 0) + 1);
  const file = join(folder, "case.yml");
  const samples = [...wanted].map(([alert, value]) => {
    const [name, provider] = alert.split(" ");
    return {
      labels: `{alertname="${name}"${provider === undefined ? "" : `,provider="${provider}"`}}`,
      value,
    };
  });
  const unitTest = {
    rule_files: [rulesFile],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: 'count by (alertname, provider) (ALERTS{alertstate="firing"})',
            eval_time: `${at}m`,
            exp_samples: samples,
          },
        ],
      },
    ],
  };
  writeFileSync(file, stringify(unitTest));
  const { status, stdout, stderr } = spawnSync("promtool", ["test", "rules", file], { encoding: "utf8" });
  return status === 0 ? "" : `${stdout}${stderr}`;
}

test("each alert leads to a page of the dashboard and to a runbook", () => {
  const { groups } = parse(readFileSync(rulesFile, "utf8")) as {
    groups: { rules: { alert: string; annotations: Record<string, string> }[] }[];
  };
  for (const { alert, annotations } of groups.flatMap(({ rules }) => rules)) {
    const { pathname, search } = new URL(annotations.dashboard_path ?? "", "https://uee.example");
    expect([alert, annotations.dashboard_path?.[0], parseAddress(pathname, search)]).toEqual([
      ...[alert, "/"],
      expect.anything(),
    ]);
    expect([alert, annotations.runbook_url]).toEqual([
      alert,
      expect.stringMatching(/^docs\/operations\.md#runbook-/),
    ]);
  }
});

(hasPromtool ? describe : describe.skip)("The alerts (needs promtool)", () => {
  test("are rules that Prometheus reads", () => {
    const { status, stderr } = spawnSync("promtool", ["check", "rules", rulesFile], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test.each(cases.map((one) => [one.title, one] as const))("%s", (_title, one) => {
    expect(complaints(one)).toBe("");
  });
});
