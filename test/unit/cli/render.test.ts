import { describe, expect, test } from "@jest/globals";
import { barLine, clip, progressText } from "../../../src/cli/render/progress.ts";
import { nextCommands, renderRunSummary } from "../../../src/cli/render/runSummary.ts";
import { renderTable } from "../../../src/cli/render/table.ts";
import {
  formatBytes,
  formatDuration,
  formatRough,
  makeStyle,
  visibleLength,
  wantsColours,
} from "../../../src/cli/render/text.ts";
import type { RunProgress, RunState, WorkerView } from "../../../src/engine/api.ts";
import { doneRatio, Pace } from "../../../src/engine/pace.ts";
import {
  closed,
  engineStatus,
  FakeTerminal,
  machineStatus,
  now,
  paused,
  progress,
  providerStatus,
  renderStatus,
} from "./support.ts";

const plain = makeStyle(false);
const colourful = makeStyle(true);

describe("figures", () => {
  test("durations read like a person would say them", () => {
    expect(
      [0, 850, 4_200, 59_900, 59_960, 125_000, 3_599_900, 4_320_000, 274_000_000].map(formatDuration),
    ).toEqual([
      "0 ms",
      "850 ms",
      "4.2 s",
      "60 s",
      "1 min 00 s",
      "2 min 05 s",
      "1 h 00 min",
      "1 h 12 min",
      "3 d 4 h",
    ]);
  });

  test("ages and times left have one unit", () => {
    expect([26_000, 240_000, 7_200_000, 432_000_000].map(formatRough)).toEqual([
      "26 s",
      "4 min",
      "2 h",
      "5 d",
    ]);
  });

  test("sizes have at most three digits", () => {
    expect([0, 999, 1_023, 1_048_576, 327_155_712, 2_147_483_648].map(formatBytes)).toEqual([
      "0 B",
      "999 B",
      "1.0 KB",
      "1.0 MB",
      "312 MB",
      "2.0 GB",
    ]);
  });
});

describe("colours", () => {
  const terminal = Object.assign(new FakeTerminal(), { isTTY: true });
  const pipe = new FakeTerminal();

  test("are for terminals only, and NO_COLOR forbids them there too", () => {
    expect(wantsColours(terminal, {})).toBe(true);
    expect(wantsColours(pipe, {})).toBe(false);
    expect(wantsColours(terminal, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColours(terminal, { NO_COLOR: "", TERM: "xterm" })).toBe(true);
    expect(wantsColours(terminal, { TERM: "dumb" })).toBe(false);
    expect(wantsColours(pipe, { FORCE_COLOR: "1" })).toBe(true);
    expect(wantsColours(pipe, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
  });

  test("a clipped line keeps its colours closed and its width", () => {
    const line = clip(`${colourful.red("0123456789")} ${colourful.green("abcdef")}`, 8);
    expect(visibleLength(line)).toBe(8);
    expect(line).toContain("0123456…");
    const count = (code: number) => line.split(`\u001b[${code}m`).length - 1;
    expect(count(31) + count(32)).toBe(count(39));
  });
});

describe("tables", () => {
  const rows = [{ name: "cve", long: "a very long text that goes on", n: "361,789" }];
  const columns = [
    { title: "name", value: (row: (typeof rows)[0]) => row.name },
    { title: "long", value: (row: (typeof rows)[0]) => row.long, shrinkTo: 8 },
    { title: "n", value: (row: (typeof rows)[0]) => row.n, align: "right" as const, dropFirst: 1 },
  ];

  test("have no limit in a pipe", () => {
    expect(renderTable(rows, columns)).toEqual([
      "name  long                                 n",
      "cve   a very long text that goes on  361,789",
    ]);
  });

  test("shrink what may shrink first, then drop what may be dropped", () => {
    expect(renderTable(rows, columns, { width: 30 })[1]).toBe("cve   a very long te…  361,789");
    expect(renderTable(rows, columns, { width: 20 })[1]).toBe("cve   a very …");
    for (const width of [16, 20, 30, 44]) {
      for (const line of renderTable(rows, columns, { width }))
        expect(line.length).toBeLessThanOrEqual(width);
    }
  });
});

describe("progress", () => {
  test("counts unique records in the first pass and batches in later ones", () => {
    expect(doneRatio(progress("cve", { fetched: 50, expected: 200 }))).toBe(0.25);
    expect(
      doneRatio(
        progress("cve", { pass: 2, fetched: 200, expected: 200, batchesDone: 1, batchesPlanned: 10 }),
      ),
    ).toBe(0.1);
    expect(doneRatio(progress("cve", { fetched: 3 }))).toBeUndefined();
  });

  test("says how much, how fast and how long still", () => {
    const run = progress("cve", { fetched: 160_000, expected: 361_789 });
    expect(progressText(run, 1_240.4)).toBe("160,000 of 361,789 (44 %), 1,240/s, 3 min left");
    expect(progressText(progress("cve", { phase: "planning" }))).toBe("planning");
  });

  test("pace is that of the last seconds, not of the whole run", () => {
    const pace = new Pace(10_000);
    for (let second = 0; second <= 100; second++)
      pace.add(second < 50 ? 0 : (second - 50) * 100, second * 1_000);
    expect(pace.perSecond).toBeCloseTo(100, 0);
    expect(new Pace().perSecond).toBeUndefined();
  });

  test("a bar is never wider than the terminal and says why a run waits", () => {
    const run = progress("cve", {
      fetched: 10,
      expected: 100,
      waiting: { reason: "PROV_THROTTLED", until: new Date(now + 26_000).toISOString() },
    });
    for (const columns of [40, 60, 80, 120]) {
      const line = barLine({
        provider: "cve",
        nameWidth: 6,
        run,
        perSecond: 5,
        now,
        columns,
        style: colourful,
      });
      expect(visibleLength(line)).toBeLessThanOrEqual(columns);
    }
    const wide = barLine({
      provider: "cve",
      nameWidth: 6,
      run,
      perSecond: 5,
      now,
      columns: 120,
      style: plain,
    });
    expect(wide).toContain("waits: PROV_THROTTLED, 26 s more");
  });
});

describe("batches that are tried again", () => {
  const retry = (batch: string, over: Partial<RunProgress["retrying"][number]> = {}) => ({
    ...{ batch, code: "PROV_NOT_FOUND", message: "The upstream answered 404.", attempt: 3, attempts: 8 },
    nextAt: new Date(now + 8_000).toISOString(),
    ...over,
  });
  const shown = (retrying: RunProgress["retrying"]) =>
    renderStatus(
      engineStatus({ providers: [providerStatus("cve", { openRun: progress("cve", { retrying }) })] }),
      {
        ...{ style: plain, now, width: 120 },
      },
    );

  test("show their error, their attempt and when the next comes", () => {
    const text = shown([retry("w0/0"), retry("w0/1", { nextAt: new Date(now - 1).toISOString() })]);
    expect(text).toContain("w0/0: PROV_NOT_FOUND: The upstream answered 404, attempt 3 of 8, next in 8 s\n");
    expect(text).toContain(
      "w0/1: PROV_NOT_FOUND: The upstream answered 404, attempt 3 of 8, the next is under way",
    );
  });

  test("are counted where there are many", () => {
    const text = shown(["a", "b", "c", "d", "e"].map((batch) => retry(batch)));
    expect(text).toContain("and 2 more batches that failed and are retried");
    expect(text).not.toContain("d: PROV");
  });

  test("stand in the progress bar", () => {
    const line = barLine({
      ...{ provider: "cve", nameWidth: 3, perSecond: undefined, now, columns: 160, style: plain },
      run: progress("cve", { fetched: 7, expected: 100, retrying: [retry("w0/0")] }),
    });
    expect(line).toContain(
      "7 of 100 (7 %); w0/0: PROV_NOT_FOUND: The upstream answered 404, attempt 3 of 8, next in 8 s",
    );
  });
});

describe("the summary of runs", () => {
  test("says that all is complete and what to try next", () => {
    const text = renderRunSummary([closed("cve"), closed("cwe", { fetched: 4, created: 4 })], {
      style: plain,
      width: 100,
      uee: "uee",
    });
    expect(text).toContain("Complete and verified: 14 records fetched, 14 of them changed the mirror.");
    expect(text).toContain("uee get CVE-2021-44228");
    expect(text).toContain("uee run cve cwe --wait");
  });

  test("a run without news says so", () => {
    const text = renderRunSummary([closed("cwe", { fetched: 0, created: 0 })], {
      style: plain,
      width: 100,
      uee: "uee",
    });
    expect(text).toContain("Complete and verified: the upstreams have no changes.");
  });

  test("names what is not complete, why, and the remedy", () => {
    const error = {
      code: "PROV_SHRUNK",
      message: "Lost 300 of 900.",
      remedy: "run again with --allow-shrink",
    };
    const text = renderRunSummary([closed("cve"), closed("cwe", { state: "incomplete", error })], {
      style: plain,
      width: 100,
      uee: "uee",
    });
    expect(text).toContain("Not complete: cwe incomplete.");
    expect(text).toContain("cwe: PROV_SHRUNK: Lost 300 of 900.\n  run again with --allow-shrink");
  });

  test("names the command that ends a pause", () => {
    const commands = nextCommands([closed("cve"), progress("cwe", { state: "paused" })], "./bin/uee");
    expect(commands.map(({ command }) => command)).toContain("./bin/uee resume cwe");
  });

  test("says that a stopped run is not continued", () => {
    const again = (state: RunState) => nextCommands([closed("cve", { state })], "uee").at(-1)?.why;
    expect(again("stopped")).toBe("opens a new run");
    expect(again("incomplete")).toBe("continues where it stopped");
  });

  test("points to the dead letters only when there are some", () => {
    expect(nextCommands([closed("cve")], "uee").map(({ command }) => command)).not.toContain("uee dlq list");
    expect(nextCommands([closed("cve", { deadLettered: 1 })], "uee").map(({ command }) => command)).toContain(
      "uee dlq list",
    );
  });

  test("its table fits 60 columns", () => {
    const text = renderRunSummary([closed("attack", { fetched: 1_234_567, created: 1_234_567 })], {
      style: colourful,
      width: 60,
      uee: "uee",
    });
    for (const line of text.split("\n").slice(0, 2)) expect(visibleLength(line)).toBeLessThanOrEqual(60);
  });
});

describe("the ETL tree", () => {
  const look = { style: plain, now, width: 120 };

  test("shows verified, freshness, the open run and why it waits", () => {
    const status = engineStatus({
      macro: machineStatus("ORCHESTRATING"),
      providers: [
        providerStatus("cve", {
          machine: machineStatus("RUNNING"),
          verified: true,
          verifiedAt: "2026-03-15T10:00:00.000Z",
          watermark: "2026-03-15T09:00:00.000",
          records: 361_789,
          openRun: progress("cve", {
            mode: "incremental",
            fetched: 500,
            expected: 2_000,
            waiting: { reason: "PROV_THROTTLED", until: new Date(now + 6_000).toISOString() },
          }),
          lastRun: closed("cve", { created: 361_789, requests: 181, durationMs: 150_000 }),
          jobs: { waiting: 2, active: 1, delayed: 0, failed: 3 },
        }),
        providerStatus("cwe"),
      ],
    });
    expect(renderStatus(status, look).split("\n")).toEqual([
      "UEE mirror  ORCHESTRATING  Redis 7.0.15, 977 KB, aof; 0 live workers",
      "├─ cve  RUNNING, verified 2 h ago, 361,789 records, watermark 2026-03-15T09:00:00.000 (3 h ago)",
      "│  ├─ ██████░░░░░░░░░░░░░░░░░░ 500 of 2,000 (25 %)",
      "│  ├─ open run run-cve: incremental",
      "│  ├─ waits: PROV_THROTTLED, 6 s more",
      "│  ├─ last run complete 30 min ago: full, 361,789 created, 181 requests, 2 min 30 s",
      "│  └─ jobs 1 active, 2 waiting, 0 delayed, 3 failed",
      "└─ cwe  IDLE, not verified, 0 records",
      "   └─ never run; uee run cwe --wait",
      "",
    ]);
  });

  test("tells what became of a run that left dead letters behind", () => {
    const error = { code: "PROV_BATCH_DEAD", message: "2 of 181 batches gave up.", remedy: "" };
    const lastRun = closed("cve", { state: "incomplete", created: 357_789, deadLettered: 2, error });
    const endedAt = new Date(now - 120_000).toISOString();
    const replays = { kind: "replay", created: 4_000, requests: 2, durationMs: 3_000, endedAt } as const;
    const provider = providerStatus("cve", {
      lastRun,
      lastRunSettled: true,
      lastReplay: closed("cve", replays),
    });
    const [, , ...lines] = renderStatus(engineStatus({ providers: [provider] }), look).split("\n");
    expect(lines.map((line) => line.replace(/, \d+ requests?, .*$/, ""))).toEqual([
      "   ├─ last run incomplete 30 min ago: full, 357,789 created, 2 dead-lettered",
      "   ├─ PROV_BATCH_DEAD: 2 of 181 batches gave up.",
      "   ├─ replays since complete 2 min ago: 4,000 created",
      "   └─ its dead letters are settled; the next run verifies",
      "",
    ]);
  });

  test("lists the workers with their heartbeats, and says who is late or dead", () => {
    const worker = (id: string, over: Partial<WorkerView>): WorkerView => ({
      id,
      host: "pod-1",
      pid: 17,
      version: "0.1.0",
      startedAt: new Date(now - 3_600_000).toISOString(),
      state: "ready",
      health: "live",
      ended: null,
      missedBeats: 0,
      lastBeatAt: new Date(now - 4_000).toISOString(),
      vitals: {
        responseMs: 1.9,
        loopDelayP99Ms: 12.5,
        loopDelayMaxMs: 80,
        activeBatches: 2,
        rssBytes: 126_877_696,
        lastFetchAgeMs: 350,
      },
      ...over,
    });
    const lastBeatAt = new Date(now - 16_000).toISOString();
    const workers = [
      worker("w-1", {}),
      worker("w-2", { state: "starting", vitals: null }),
      worker("w-3", { health: "late", missedBeats: 1, lastBeatAt }),
      worker("w-4", { health: "dead", missedBeats: 4 }),
    ];
    const text = renderStatus(engineStatus({ workers }), { ...look, width: 140 });
    expect(text.split("\n")[0]).toContain("2 live workers, 1 late");
    expect(text.split("\n").slice(-6)).toEqual([
      "worker  state           batches  response  loop delay p99  memory  last fetch  heartbeat  started     process",
      "w-1     ready                 2    1.9 ms         12.5 ms  121 MB      350 ms  4 s ago    60 min ago  pod-1:17",
      "w-2     starting              –         –               –       –           –  4 s ago    60 min ago  pod-1:17",
      "w-3     late, 1 missed        2    1.9 ms         12.5 ms  121 MB      350 ms  16 s ago   60 min ago  pod-1:17",
      "w-4     dead, 4 missed        2    1.9 ms         12.5 ms  121 MB      350 ms  4 s ago    60 min ago  pod-1:17",
      "",
    ]);
    const narrow = renderStatus(engineStatus({ workers }), { ...look, width: 80 });
    expect(
      narrow
        .split("\n")
        .slice(-6)
        .every((line) => line.length <= 80),
    ).toBe(true);
  });

  test("warns when jobs wait and no worker lives", () => {
    expect(renderStatus(engineStatus({ stranded: true }), look)).toContain(
      "Warning: jobs wait and no worker is live",
    );
    expect(renderStatus(engineStatus(), look)).not.toContain("Warning");
  });

  const lineOf = (provider: Parameters<typeof providerStatus>[1], width = 120) =>
    renderStatus(engineStatus({ providers: [providerStatus("cve", provider)] }), { ...look, width });

  test("says since when and by whom a provider is paused, why, and how it goes on", () => {
    const lines = lineOf({ machine: paused, verified: true }).split("\n").slice(-3, -1);
    expect(lines).toEqual([
      "   ├─ paused 10 min ago by ann@desk: NVD moves house",
      "   └─ uee resume cve goes on",
    ]);
  });

  test("never cuts the reason of a pause, however narrow the terminal", () => {
    const reason = "PROV_ERROR_RATE: 30 of 200 records (15.0 %) failed for good; VAL_RECORD_FIELD ×30";
    const text = lineOf({ machine: { ...paused, reason } }, 60);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(60);
    expect(text.replace(/[│├└─\s]+/g, " ")).toContain(reason);
  });

  test("control characters in a reason never reach the terminal", () => {
    const text = lineOf({ machine: { ...paused, reason: "a\u001b[2J\nb" } });
    expect(text).toContain("a [2J b");
    expect(text).not.toContain("\u001b");
  });

  test("says what a wait is for, and how much longer or how long already", () => {
    const throttled = machineStatus("WAITING_BACKOFF", {
      reason: "PROV_THROTTLED: 429",
      remainingMs: 26_000,
      until: new Date(now + 26_000).toISOString(),
    });
    const openRun = progress("cve", {
      waiting: { reason: "said by the run", until: new Date(now + 6_000).toISOString() },
    });
    expect(lineOf({ machine: throttled, openRun })).toMatch(
      /cve {2}WAITING_BACKOFF,.*waits 26 s more: PROV_THROTTLED: 429\n/s,
    );
    expect(lineOf({ machine: throttled, openRun })).not.toContain("said by the run");
    expect(lineOf({ machine: { ...throttled, reason: null }, openRun })).toContain("more: said by the run");
    const quota = machineStatus("WAITING_QUOTA", { reason: "no permit" });
    expect(lineOf({ machine: quota })).toContain("has waited 10 min: no permit");
  });
});
