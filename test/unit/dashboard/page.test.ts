/** What the page computes, without a browser. */
import { describe, expect, test } from "@jest/globals";
import { toOverview } from "../../../src/dashboard/live/overview.ts";
import { fieldOf, hexLines, placeOf, readable } from "../../../src/dashboard/page/deadletters/rawText.ts";
import { nearest, niceTop, stretches } from "../../../src/dashboard/page/fleet/series.ts";
import {
  bytes,
  duration,
  parseTime,
  percent,
  rate,
  relative,
  rough,
} from "../../../src/dashboard/page/lib/figures.ts";
import { describe as describeRecord } from "../../../src/dashboard/page/records/describe.ts";
import { href, parseAddress } from "../../../src/dashboard/page/state/address.ts";
import { needsOf, titleOf } from "../../../src/dashboard/page/state/attention.ts";
import {
  applyEvent,
  bounds,
  emptyFleet,
  type Fleet,
  withLast,
  withNewest,
  withTransitions,
} from "../../../src/dashboard/page/state/fleet.ts";
import { sentenceOf } from "../../../src/dashboard/page/state/sentence.ts";
import { createStore, openWithinMs, retryDelay } from "../../../src/dashboard/page/state/store.ts";
import { actionsIn } from "../../../src/engine/actions.ts";
import { Paces } from "../../../src/engine/pace.ts";
import type { Paper } from "../../support/dashboard/paperEngine.ts";
import { paperHistory, paperTransition } from "../../support/dashboard/paperFleet.ts";
import { busyPaper, freshPaper, overloadedPaper, quietPaper } from "../../support/dashboard/papers.ts";

describe("figures", () => {
  test("have units, and never round up to done", () => {
    expect([bytes(0), bytes(1_536), bytes(1_073_741_824), bytes(412_000_000)]).toEqual([
      "0 B",
      "1.5 KB",
      "1.0 GB",
      "393 MB",
    ]);
    expect([percent(0.999), percent(1), percent(-1)]).toEqual(["99 %", "100 %", "0 %"]);
    expect([rate(0), rate(3.44), rate(1_240, "records")]).toEqual(["0/s", "3.4/s", "1,240 records/s"]);
    expect([duration(850), duration(125_000), duration(4_320_000), duration(277_200_000)]).toEqual([
      "850 ms",
      "2 min 05 s",
      "1 h 12 min",
      "3 d 5 h",
    ]);
    expect([rough(26_000), rough(240_000), rough(7_200_000)]).toEqual(["26 s", "4 min", "2 h"]);
    expect([relative(1_000, 1_500), relative(0, 60_000), relative(90_000, 0)]).toEqual([
      "just now",
      "60 s ago",
      "in 2 min",
    ]);
  });

  test("take an upstream's time without zone for UTC, as the engine does", () => {
    expect(parseTime("2026-03-15T09:00:00.000")).toBe(Date.UTC(2026, 2, 15, 9));
    expect(parseTime("2026-03-15T09:00:00+02:00")).toBe(Date.UTC(2026, 2, 15, 7));
    expect(parseTime("yesterday")).toBeNull();
  });
});

describe("lists", () => {
  test("keep the newest, each once, and no more than their bound", () => {
    const key = ({ id }: { id: number }) => String(id);
    const list = [{ id: 2 }, { id: 1 }];
    expect(withNewest(list, [{ id: 3 }, { id: 2 }], 2, key)).toEqual([{ id: 3 }, { id: 2 }]);
    expect(withNewest(list, [{ id: 1 }], 9, key)).toBe(list);
    expect(withLast([1, 2, 3], 4, 3)).toEqual([2, 3, 4]);
  });
});

describe("events", () => {
  test("are kept bounded, and joined once with what was read", () => {
    const now = Date.parse("2026-11-23T12:00:00Z");
    let fleet: Fleet = emptyFleet;
    for (let n = 1_000; n > 0; n--) fleet = applyEvent(fleet, "transition", paperTransition(n, now));
    expect(fleet.transitions).toHaveLength(bounds.transitions);
    expect(fleet.transitions?.[0]?.version).toBe(999);
    const read = [0, 1, 2, 3].map((n) => paperTransition(n, now));
    const joined = withTransitions(fleet, read).transitions ?? [];
    expect(joined).toHaveLength(bounds.transitions);
    expect(new Set(joined.map(({ version }) => version)).size).toBe(joined.length);
    const times = joined.map(({ at }) => at);
    expect(times).toEqual([...times].sort().reverse());
  });

  test("say since when Redis is away, and forget it when it is back", () => {
    const pulse = (second: number, redis: "ok" | "away") => ({
      ...{ at: new Date(second * 1_000).toISOString(), redis },
      ...{ code: redis === "ok" ? null : "SYS_REDIS_UNREACHABLE", message: null },
    });
    let fleet = applyEvent(emptyFleet, "pulse", pulse(1, "ok"));
    expect(fleet).toBe(emptyFleet);
    for (const second of [5, 6, 7]) fleet = applyEvent(fleet, "pulse", pulse(second, "away"));
    expect(fleet.trouble).toMatchObject({ since: 5_000, code: "SYS_REDIS_UNREACHABLE" });
    expect(applyEvent(fleet, "pulse", pulse(8, "ok")).trouble).toBeNull();
  });

  test("tell each listener once in one turn", () => {
    const due: (() => void)[] = [];
    const store = createStore(0, (work) => due.push(work));
    let told = 0;
    const end = store.subscribe(() => told++);
    for (let i = 0; i < 5; i++) store.change((now) => now + 1);
    store.change((now) => now);
    expect([due.length, told, store.get()]).toEqual([1, 0, 5]);
    due[0]!();
    expect(told).toBe(1);
    end();
    store.change((now) => now + 1);
    due[1]!();
    expect(told).toBe(1);
  });
});

describe("the line", () => {
  test("is tried soon at first, then patiently, and not in step with other pages", () => {
    const delays = [0, 1, 2, 3, 10, 100].map((tries) => retryDelay(tries, false, 0.5));
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 15_000, 15_000]);
    expect(retryDelay(3, false, 0)).toBeLessThan(retryDelay(3, false, 1));
    expect(retryDelay(3, true, 0.5)).toBe(250);
    expect(openWithinMs(1)).toBeLessThan(openWithinMs(7));
  });
});

describe("what needs a person", () => {
  test("counts the workers that died, and marks what is typed as code", () => {
    const { workers, status, permits } = overloadedPaper();
    const overview = toOverview({ actionsIn }, status, permits, new Paces());
    const texts = (dead: typeof workers): string[] =>
      needsOf({ ...emptyFleet, overview, workers: dead }).map(({ head, text }) => `${head}: ${text}`);
    expect(texts(workers)).toContain(
      "a worker died: mirror-3:4051:9f2c: its batches run elsewhere; the list of workers says why it died.",
    );
    const two = workers.map((one) => ({ ...one, health: "dead" as const })).slice(1);
    expect(texts(two).join()).toContain(
      "2 workers died: mirror-2:4034:9f2c, mirror-3:4051:9f2c: their batches",
    );
    expect(texts([]).join()).toContain("`uee resume capec` goes on");
  });

  test("is nothing before anything is known, and stands in the title", () => {
    expect(needsOf(emptyFleet)).toEqual([]);
    expect(titleOf([], "ORCHESTRATING", true)).toBe("orchestrating · UEE");
    expect(titleOf([], "ORCHESTRATING", false)).toBe("no connection · UEE");
    const need = { tone: "bad", head: "cve paused", text: "", target: "/" } as const;
    expect(titleOf([need, need], "STABILIZING", true)).toBe("(2) cve paused · UEE");
  });

  test("is a run that ended short, until its dead letters are settled", () => {
    const { status, permits } = busyPaper();
    const heads = (settled: boolean): string[] => {
      const providers = status.providers.map((one) => ({ ...one, lastRunSettled: settled }));
      const overview = toOverview({ actionsIn }, { ...status, providers }, permits, new Paces());
      return needsOf({ ...emptyFleet, overview }).map(({ head }) => head);
    };
    expect(heads(false)).toContain("cwe incomplete");
    expect(heads(true)).not.toContain("cwe incomplete");
  });
});

describe("addresses", () => {
  test("name a view, one of its things and its filters, and are read as they were written", () => {
    const urn = "v2e::nvd::cve::CVE-2021-44228";
    expect(href("records", urn)).toBe(`/records/${urn}`);
    expect(href("runs", null, { provider: "cve", state: "" })).toBe("/runs?provider=cve");
    expect(href("overview")).toBe("/");
    expect(parseAddress(`/records/${urn}`, "")).toEqual({ view: "records", id: urn, query: {} });
    expect(parseAddress("/records/a%2Fb", "?q=x%20y")).toEqual({
      view: "records",
      id: "a/b",
      query: { q: "x y" },
    });
    expect(parseAddress("/api/runs", "")).toBeUndefined();
    expect(parseAddress("/records/CVE%E2%80", "")).toMatchObject({ view: "records", id: "CVE%E2%80" });
  });
});

describe("the sentence about the mirror", () => {
  const said = (paper: Paper) => {
    const overview = toOverview({ actionsIn }, paper.status, paper.permits, new Paces());
    return sentenceOf(overview, Date.parse(paper.status.at)).head;
  };

  test("says how fresh it is, what is loading, what is missing, and that nothing is there", () => {
    expect(said(quietPaper())).toBe("Complete and 2 h fresh");
    expect(said(freshPaper())).toBe("Nothing is mirrored yet");
    expect(said(busyPaper())).toMatch(
      /^Loading for the first time: attack \d+\u00a0%; capec is paused; and cwe is incomplete since the last run$/,
    );
    expect(said(overloadedPaper())).toBe("Not all is well: capec is paused");
  });

  test("tells what was never loaded from what is not verified", () => {
    const paper = quietPaper();
    const never = { verified: false, verifiedAt: null };
    paper.status.providers[1] = { ...paper.status.providers[1]!, ...never };
    paper.status.providers[2] = { ...paper.status.providers[2]!, ...never, records: 0 };
    expect(said(paper)).toBe("Complete except cwe (not verified) and capec (never loaded)");
  });

  test("names the official feeds only where the mirror equals them", () => {
    const paper = quietPaper();
    const asOf = paper.status.at;
    const reconciled = {
      at: asOf,
      asOf,
      runId: "r",
      repair: true,
      checked: 9,
      equal: 9,
      newer: 0,
      feeds: [],
    };
    const found = { ...reconciled, stale: 0, missing: 0, extra: 0, repaired: 0, unexplained: 0 };
    paper.status.providers[0]!.reconciled = found;
    expect(said(paper)).toBe("Complete and 2 h fresh; equal to NVD's feeds of today");
    paper.status.providers[0]!.reconciled = { ...found, stale: 2, repaired: 1 };
    expect(said(paper)).toBe("Not all is well: cve is not equal to its feeds");
  });
});

test("a record is described by its name as it is, and by its description without markup", () => {
  const data = {
    ...{ Name: "Exploiting <others>", Description: "<p>Sends a request.</p>", Status: "Draft" },
    published: "2021-12-10T10:15:09.143",
  };
  const times = { firstSeen: "2026-01-01T00:00:00.000Z", lastChanged: "2026-01-01T00:00:00.000Z" };
  const said = describeRecord({
    urn: "v2e::mitre::capec::CAPEC-7",
    provider: "capec",
    id: "CAPEC-7",
    ...times,
    data,
  });
  expect(said).toMatchObject({ title: "Exploiting <others>", texts: ["Sends a request."] });
  expect(said.facts).toEqual([
    ["Status", "Draft"],
    ["Published", "2021-12-10 10:15 UTC"],
  ]);
});

describe("the plot", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  const points = paperHistory(now).map((sample) => ({
    at: Date.parse(sample.at),
    value: sample.p99_latency_ms,
  }));
  const window = { from: now - 1_800_000, to: now, gapMs: 15_000 };

  test("breaks its line where no worker lived, and keeps peaks when it is thinned", () => {
    expect(stretches(points, { ...window, most: 500 })).toHaveLength(2);
    const all = stretches(points, { ...window, most: 500 }).flat();
    const thin = stretches(points, { ...window, most: 60 }).flat();
    expect(thin.length).toBeLessThanOrEqual(60);
    const peak = (points: { value: number }[]) => Math.max(...points.map(({ value }) => value));
    expect(peak(thin)).toBe(peak(all));
  });

  test("finds the sample under the pointer, none in a gap, and an axis that holds everything", () => {
    const [first] = points;
    expect(nearest(points, first!.at + 1_000, 10_000)).toBe(first);
    expect(nearest(points, now - 10_000_000, 10_000)).toBeUndefined();
    expect([niceTop(11, 45), niceTop(48, 45), niceTop(1_200, 45), niceTop(0, 1)]).toEqual([60, 60, 2_000, 1]);
    const mb = 1024 ** 2;
    expect(niceTop(366 * mb, mb, mb)).toBe(400 * mb);
  });
});

describe("raw bytes", () => {
  test("have the field marked that a message names, also deep within", () => {
    expect(fieldOf("'metrics.0.score' of CVE-2021-1 is not what it is declared to be.")).toBe(
      "metrics.0.score",
    );
    expect(fieldOf("CVE-2025-0002: references: Invalid input: expected array")).toBe("references");
    expect(fieldOf("The record is a list, not an object.")).toBeNull();
    const text = JSON.stringify({ score: 1, metrics: [{ score: "x" }] }, null, 2);
    const { from, to } = placeOf(text, "metrics.0.score")!;
    expect(text.slice(from, to)).toBe('"score": "x"');
    expect(placeOf(text, "nothing")).toBeNull();
  });

  test("are set in lines as text or hex, whatever they are", () => {
    expect(readable(Buffer.from('{"a":1}'))).toBe('{\n  "a": 1\n}');
    expect(readable(Buffer.from("<xml>"))).toBe("<xml>");
    expect(readable(Buffer.from([0xff, 0x41]))).toBe("\uFFFDA");
    expect(hexLines(Buffer.from("0123456789abcdefX"))).toBe(
      "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n" +
        "00000010  58                                               X",
    );
    expect(hexLines(Buffer.from("01234567X"), 8)).toBe(
      "0000  30 31 32 33 34 35 36 37  01234567\n0008  58                       X",
    );
  });
});
