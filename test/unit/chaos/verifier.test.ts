/** The verifier catches a breach of each law in histories that were doctored for it, and finds none in a good one. */
import { describe, expect, test } from "@jest/globals";
import { verify } from "../../chaos/verify/verifier.ts";
import { type Doctored, insertAt } from "./doctor.ts";
import * as fleet from "./doctoredFleet.ts";
import * as store from "./doctoredStore.ts";
import { FENCE, goodHistory, runOf } from "./goodHistory.ts";

/** Laws that were breached, and what was said. */
function verdictOf(doctor: Doctored["doctor"]): { laws: number[]; said: string } {
  const events = goodHistory();
  const instead = doctor(events);
  const { breaches } = verify(Array.isArray(instead) ? instead : events);
  return {
    laws: [...new Set(breaches.map(({ law }) => law))].sort((a, b) => a - b),
    said: breaches.map(({ law, what }) => `${law}: ${what}`).join("\n"),
  };
}

const doctored: [title: string, law: number, cases: Doctored[]][] = [
  ["law 1, nothing lost", 1, store.nothingLost],
  ["law 2, nothing stale", 2, store.nothingStale],
  ["law 3, checkpoints", 3, store.checkpoints],
  ["law 4, permits", 4, fleet.permits],
  ["law 5, every batch accounted for", 5, fleet.accounted],
  ["law 6, transitions", 6, fleet.transitions],
  ["law 7, the upstream's limits", 7, fleet.limits],
  ["law 8, an action of a person", 8, fleet.personsWord],
  ["law 9, secrets", 9, fleet.secrets],
  ["law 10, each effect once", 10, store.onceEach],
  ["a history that is short or of a process that fell over", 0, fleet.enough],
];

test("a history in which every law holds is found without a breach", () => {
  expect(verdictOf(() => undefined)).toEqual({ laws: [], said: "" });
});

test("a dead letter that was replayed in vain and then covered by a verified run is accounted for", () => {
  const verdict = verdictOf((events) => {
    const { at, t } = fleet.replayGaveUp(events);
    const letter = { state: "dead", lastMs: String(t), job: "" };
    insertAt(events, at, t, { fx: "letter", p: "cve", id: "r-1", set: letter, by: null });
    const finish = { script: "closeRun", run: runOf("cve"), batch: "finish/1", fence: FENCE };
    insertAt(events, at + 1, t + 1, { fx: "meta", p: "cve", set: { verifiedAt: "x" }, by: finish });
    const by = { script: "dropDeadLetter", how: "cover" };
    insertAt(events, at + 2, t + 2, { fx: "letter-gone", p: "cve", id: "r-1", by });
  });
  expect(verdict).toEqual({ laws: [], said: "" });
});

test("what a Redis forgot has ended when its holder's time is over, although Redis' clock went back since", () => {
  const { said } = verdictOf((events) => fleet.forgottenLease(events, -1, -60_000));
  expect(said).not.toMatch(/are held|makes it/);
});

test("what a Redis forgot has ended when its clock went past its end", () => {
  const { said } = verdictOf((events) => fleet.forgottenLease(events, 9_000, 60_000));
  expect(said).not.toMatch(/are held|makes it/);
});

test("a permit that was given back before a Redis forgot it counts in the pool, and for no holder", () => {
  const { said } = verdictOf((events) => fleet.forgottenReturn(events));
  expect(said).toMatch(/4 are held|makes it 5 of 4/);
  expect(said).not.toMatch(/8 are held/);
});

describe.each(doctored)("%s", (_title, law, cases) => {
  test.each(cases.map((one) => [one.how, one] as const))("is found broken where %s", (_how, { doctor }) => {
    const { laws, said } = verdictOf(doctor);
    expect({ caught: laws.includes(law), said }).toMatchObject({ caught: true });
  });
});
