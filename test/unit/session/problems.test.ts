/** The one list of problems: status --check, doctor, the API, the page, the metrics and the alerts show it. */
import { describe, expect, test } from "@jest/globals";
import { fleetProblems, problemsOf } from "../../../src/session/problems.ts";
import { closed, engineStatus, now, paused, providerStatus } from "../cli/support.ts";

const HOUR = 3_600_000;
const ago = (ms: number): string => new Date(now - ms).toISOString();
const verified = { verified: true, verifiedAt: ago(2 * HOUR), staleAfterMs: 5 * HOUR };

const kinds = (over: Parameters<typeof providerStatus>[1], maxAgeMs?: number): string[] =>
  problemsOf(providerStatus("cve", { ...verified, ...over }), now, maxAgeMs).map(
    ({ kind, severity }) => `${kind} ${severity}`,
  );

describe("a provider", () => {
  test("that is verified and current has no problem", () => {
    expect(kinds({ lastRun: closed("cve", { state: "complete" }) })).toEqual([]);
  });

  test("whose last run ended incomplete or failed has one, also while the next run is open", () => {
    for (const state of ["incomplete", "failed"] as const) {
      expect(kinds({ lastRun: closed("cve", { state }) })).toEqual([`${state} bad`]);
      expect(kinds({ lastRun: closed("cve", { state }), openRun: closed("cve") })).toEqual([`${state} bad`]);
    }
  });

  test("says the code, the message and the remedy of that run", () => {
    const error = { code: "PROV_SHRUNK", message: "The upstream lost 40 records.", remedy: "Look at it." };
    const lastRun = closed("cve", { state: "incomplete", error });
    expect(problemsOf(providerStatus("cve", { ...verified, lastRun }), now)).toMatchObject([
      {
        text: "the last run of cve ended incomplete: PROV_SHRUNK: The upstream lost 40 records",
        remedy: "Look at it.",
      },
    ]);
  });

  test("whose dead letters are settled, whose run a person stopped or resumed, has none for its last run", () => {
    expect(kinds({ lastRun: closed("cve", { state: "incomplete" }), lastRunSettled: true })).toEqual([]);
    expect(kinds({ lastRun: closed("cve", { state: "stopped" }) })).toEqual([]);
    expect(kinds({ lastRun: closed("cve", { state: "paused" }) })).toEqual([]);
  });

  test("that is paused, stale, overdue or has dead letters has a problem; one never loaded is a warning", () => {
    expect(kinds({ machine: paused })).toEqual(["paused bad"]);
    expect(kinds({ verifiedAt: ago(6 * HOUR) })).toEqual(["stale bad"]);
    expect(kinds({ nextRun: { at: ago(HOUR), mode: "full" } })).toEqual(["overdue bad"]);
    const { deadLetters } = providerStatus("cve");
    expect(kinds({ deadLetters: { ...deadLetters, entries: 3 } })).toEqual(["dead_letters bad"]);
    expect(kinds({ verified: false, verifiedAt: null })).toEqual(["unverified warn"]);
  });

  test("is stale by the bound that was asked for, else by its schedules, and never without either", () => {
    expect(kinds({}, HOUR)).toEqual(["stale bad"]);
    expect(kinds({ verifiedAt: ago(6 * HOUR) }, 12 * HOUR)).toEqual([]);
    expect(kinds({ verifiedAt: ago(999 * HOUR), staleAfterMs: null })).toEqual([]);
  });

  test("whose schedules do nothing because it is paused is not overdue", () => {
    expect(kinds({ machine: paused, nextRun: { at: ago(HOUR), mode: "full" } })).toEqual(["paused bad"]);
  });
});

describe("the fleet", () => {
  test("has a problem when Redis refuses writes and when jobs wait that no worker takes", () => {
    const status = engineStatus({ stranded: true });
    expect(fleetProblems(engineStatus())).toEqual([]);
    expect(
      fleetProblems({ ...status, redis: { ...status.redis, trouble: "OOM" } }).map(({ kind }) => kind),
    ).toEqual(["redis_trouble", "stranded"]);
  });
});
