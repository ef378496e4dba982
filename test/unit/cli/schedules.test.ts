import { describe, expect, test } from "@jest/globals";
import { formatAhead, formatLocal, makeStyle, visibleLength } from "../../../src/cli/render/text.ts";
import type { ScheduleView } from "../../../src/engine/api.ts";
import {
  engineStatus,
  fakeCli,
  fakeEngine,
  machineStatus,
  now,
  providerStatus,
  renderStatus,
} from "./support.ts";

const at = (ms: number): string => new Date(now + ms).toISOString();
const HOUR = 3_600_000;

const view = (over: Partial<ScheduleView>): ScheduleView => ({
  provider: "cve",
  mode: "incremental",
  enabled: true,
  everyMs: 2 * HOUR,
  cron: null,
  next: at(HOUR),
  last: null,
  lastOutcome: null,
  lastRunId: null,
  ...over,
});

const views = [
  view({}),
  view({ mode: "full", everyMs: null, cron: "0 3 * * 0", next: at(-HOUR / 2) }),
  view({ provider: "cwe", last: at(-HOUR), lastOutcome: "paused" }),
  view({ provider: "cwe", mode: "full", enabled: false, everyMs: null, next: null }),
  view({ provider: "capec", enabled: false, everyMs: null, next: null }),
  view({ provider: "attack", next: null }),
];

describe("uee schedules", () => {
  test("shows when, next and last of each, and leaves out what is off beside what is on", async () => {
    const cli = fakeCli(fakeEngine({ schedules: async () => views }));
    expect(await cli.run("schedules")).toBe(0);
    const lines = cli.stdout.text.trimEnd().split("\n");
    expect(lines).toHaveLength(6);
    expect(lines[1]).toMatch(/^cve +incremental +every 2h +\S.*, in 60 min +never$/);
    expect(lines[2]).toMatch(/^cve +full +0 3 \* \* 0 \(UTC\) +overdue by 30 min/);
    expect(lines[3]).toMatch(/^cwe .*60 min ago: paused, nothing done$/);
    expect(lines[4]).toMatch(/^capec +incremental +off +never/);
    expect(lines[5]).toMatch(/^attack .*no worker has planned it yet/);
    expect(cli.requests.map(({ redis }) => redis)).toEqual(["existing"]);
  });

  test("fits a narrow terminal", async () => {
    const cli = fakeCli(fakeEngine({ schedules: async () => views }));
    cli.stdout.isTTY = true;
    cli.stdout.columns = 80;
    await cli.run("schedules");
    for (const line of cli.stdout.text.split("\n")) expect(visibleLength(line)).toBeLessThanOrEqual(80);
  });

  test("with --json prints what the engine says", async () => {
    const cli = fakeCli(fakeEngine({ schedules: async () => views }));
    expect(await cli.run("schedules", "--json")).toBe(0);
    expect(cli.json()).toEqual({ schedules: views });
  });
});

describe("uee status", () => {
  const look = { style: makeStyle(false), now, width: 120 };
  const nextRun = { at: at(HOUR), mode: "incremental" } as const;
  const shown = (over: Parameters<typeof providerStatus>[1]) =>
    renderStatus(engineStatus({ providers: [providerStatus("cve", over)] }), look);

  test("says when a provider's next run opens by itself", () => {
    expect(shown({ nextRun })).toContain(`next run in 60 min (${formatLocal(nextRun.at, now)}), incremental`);
  });

  test("promises nothing of one that is paused, and nothing beside an open run", () => {
    expect(shown({ nextRun, machine: machineStatus("PAUSED") })).not.toContain("next run");
  });
});

describe("times", () => {
  test("name the day only when it is another one", () => {
    expect(formatLocal(at(0), now)).toMatch(/^\d\d:\d\d$/);
    expect(formatLocal(at(72 * HOUR), now)).toMatch(/^Mar 18 \d\d:\d\d$/);
  });

  test("that are over are overdue", () => {
    expect(formatAhead(at(-300_000), now)).toBe("overdue by 5 min");
  });
});
