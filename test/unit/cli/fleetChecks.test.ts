import { describe, expect, test } from "@jest/globals";
import { checkClock, checkFleet } from "../../../src/cli/doctor/fleetChecks.ts";
import type { EngineStatus, ScheduleView, WorkerView } from "../../../src/engine/api.ts";
import { engineStatus, now, paused, providerStatus } from "./support.ts";

const HOUR = 3_600_000;
const at = (ms: number): string => new Date(now + ms).toISOString();

const view = (over: Partial<ScheduleView> = {}): ScheduleView => ({
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

const worker = (over: Partial<WorkerView> = {}): WorkerView => ({
  id: "w1",
  host: "h",
  pid: 1,
  version: "0.1.0",
  startedAt: at(-HOUR),
  state: "ready",
  health: "live",
  missedBeats: 0,
  lastBeatAt: at(0),
  vitals: null,
  ...over,
});

const fresh = { verified: true, verifiedAt: at(-HOUR) };
const check = (over: Partial<EngineStatus>, schedules = [view()]) => [
  ...checkFleet(engineStatus({ providers: [providerStatus("cve", fresh)], ...over }), schedules),
];
const cve = (over: Parameters<typeof providerStatus>[1]) => ({ providers: [providerStatus("cve", over)] });

describe("the clock", () => {
  test.each([
    [0, "ok", "within 1 ms"],
    [-900, "ok", "within 900 ms"],
    [5_000, "problem", "5 s ahead of Redis'"],
    [-7_200_000, "problem", "2 h behind Redis'"],
  ])("that is %d ms off is %s", (skew, verdict, message) => {
    expect(checkClock(now + skew, now)).toMatchObject({ verdict, message: expect.stringContaining(message) });
  });
});

describe("the fleet", () => {
  test("that works and is fresh has nothing to report but its workers", () => {
    expect(check({ workers: [worker(), worker({ id: "w2", health: "late" })] })).toEqual([
      { check: "workers", verdict: "ok", message: "2 workers alive", remedy: "" },
    ]);
  });

  test("without a worker for its jobs is a problem; the dead do not count", () => {
    const dead = [worker({ health: "dead" })];
    expect(check({ workers: dead, stranded: true })[0]).toMatchObject({
      verdict: "problem",
      check: "workers",
    });
    expect(check({ workers: dead })[0]).toMatchObject({
      verdict: "ok",
      message: "none lives, and nothing waits",
    });
  });

  test("of two versions is worth a note", () => {
    const [found] = check({ workers: [worker(), worker({ id: "w2", version: "0.2.0" })] });
    expect(found).toMatchObject({ verdict: "note", message: "2 workers alive, of versions 0.1.0 and 0.2.0" });
  });

  test("that somebody paused says who, why and what to do", () => {
    const [, found] = check(cve({ ...fresh, machine: paused }));
    expect(found).toMatchObject({
      verdict: "problem",
      message: "cve was paused 10 min ago by ann@desk: NVD moves house",
      remedy: expect.stringContaining("uee resume cve"),
    });
  });

  test("whose slots nobody takes is overdue", () => {
    const [, found] = check({}, [view(), view({ mode: "full", next: at(-HOUR) })]);
    expect(found).toMatchObject({ verdict: "problem", message: "its full run is overdue by 60 min" });
    expect(check({}, [view({ next: at(-HOUR), enabled: false })])).toHaveLength(1);
  });

  test("whose mirror grew old against its schedule is stale; against none it is not", () => {
    const old = cve({ verified: true, verifiedAt: at(-6 * HOUR) });
    expect(check(old)[1]).toMatchObject({ verdict: "problem", message: expect.stringContaining("6 h ago") });
    expect(check(old, [view({ everyMs: 24 * HOUR })])).toHaveLength(1);
    expect(check(old, [])).toHaveLength(1);
  });

  test("that was never loaded is a note; dead letters are a problem", () => {
    const jobs = { waiting: 0, active: 0, delayed: 0, failed: 3 };
    expect(check(cve({ jobs })).slice(1)).toMatchObject([
      { verdict: "note", message: "cve was never verified complete" },
      { verdict: "problem", message: "cve has 3 dead letters" },
    ]);
  });
});
