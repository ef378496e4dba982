import { describe, expect, test } from "@jest/globals";
import { checkClock, checkFleet } from "../../../src/cli/doctor/checks.ts";
import type { EngineStatus, WorkerView } from "../../../src/engine/api.ts";
import { closed, engineStatus, now, paused, providerStatus } from "./support.ts";

const HOUR = 3_600_000;
const at = (ms: number): string => new Date(now + ms).toISOString();

const worker = (over: Partial<WorkerView> = {}): WorkerView => ({
  id: "w1",
  host: "h",
  pid: 1,
  version: "0.1.0",
  startedAt: at(-HOUR),
  state: "ready",
  health: "live",
  ended: null,
  missedBeats: 0,
  lastBeatAt: at(0),
  vitals: null,
  ...over,
});

const fresh = { verified: true, verifiedAt: at(-HOUR) };
const check = (over: Partial<EngineStatus>) => [
  ...checkFleet(engineStatus({ providers: [providerStatus("cve", fresh)], ...over })),
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
    expect(check({ workers: dead, stranded: true })[1]).toMatchObject({
      verdict: "problem",
      check: "jobs",
    });
    expect(check({ workers: dead })[0]).toMatchObject({
      verdict: "ok",
      message: "no worker is live, and no job waits",
    });
  });

  test("of two versions is worth a note", () => {
    const [found] = check({ workers: [worker(), worker({ id: "w2", version: "0.2.0" })] });
    expect(found).toMatchObject({ verdict: "note", message: "2 workers alive, of versions 0.1.0 and 0.2.0" });
  });

  test("that an operator paused says who, why and what to do", () => {
    const [, found] = check(cve({ ...fresh, machine: paused }));
    expect(found).toMatchObject({
      verdict: "problem",
      message: "cve was paused 10 min ago by ann@desk: NVD moves house",
      remedy: expect.stringContaining("uee resume cve"),
    });
  });

  test("has the problems that `status --check` complains of, with the same severity", () => {
    const [, incomplete] = check(cve({ ...fresh, lastRun: closed("cve", { state: "incomplete" }) }));
    expect(incomplete).toMatchObject({ check: "run cve", verdict: "problem" });
    const [, unloaded] = check(cve({}));
    expect(unloaded).toMatchObject({ verdict: "note", message: "cve was never verified complete" });
  });
});
