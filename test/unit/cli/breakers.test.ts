import { describe, expect, test } from "@jest/globals";
import { visibleLength } from "../../../src/cli/render/text.ts";
import type { BreakerView, Engine } from "../../../src/engine/api.ts";
import { engineStatus, fakeCli, fakeEngine, machineStatus, now, providerStatus } from "./support.ts";

const closed = (upstream: string): BreakerView => ({
  upstream,
  state: "closed",
  version: 0,
  consecutiveFailures: 0,
  failedProbes: 0,
  opens: 0,
  openedAt: null,
  until: null,
  remainingMs: 0,
  probe: null,
  lastFailure: null,
  counts: { calls: 0, successes: 0, failures: 0, ignored: 0, rejections: 0, opens: 0 },
});

const ago = (ms: number): string => new Date(now - ms).toISOString();

const open: BreakerView = {
  ...closed("cve"),
  state: "open",
  version: 3,
  consecutiveFailures: 6,
  failedProbes: 1,
  opens: 2,
  openedAt: ago(240_000),
  until: ago(-26_000),
  remainingMs: 26_000,
  lastFailure: { code: "PROV_CONNECTION", message: "connect\nECONNREFUSED", at: ago(34_000) },
  counts: { calls: 1_206, successes: 1_200, failures: 6, ignored: 0, rejections: 41, opens: 2 },
};

const withBreakers = (views: BreakerView[], over: Partial<Engine> = {}): Engine =>
  fakeEngine({ breakers: async () => views, ...over });

describe("uee breakers", () => {
  test("says of each upstream whether calls go through, and if not why and until when", async () => {
    const half: BreakerView = {
      ...open,
      upstream: "cwe",
      state: "half_open",
      remainingMs: 0,
      until: null,
      probe: { by: "desk:7", since: ago(1_000) },
    };
    const due: BreakerView = { ...open, upstream: "capec", remainingMs: 0 };
    const cli = fakeCli(withBreakers([open, half, due, closed("attack")]));
    expect(await cli.run("breakers")).toBe(0);
    const [header, ...rows] = cli.stdout.text.trimEnd().split("\n");
    expect(header!.split(/ {2,}/)).toEqual([
      "upstream",
      "state",
      "since",
      "next",
      "failed in a row",
      "calls",
      "refused",
      "opened",
      "last failure",
    ]);
    const failure = "34 s ago, PROV_CONNECTION: connect ECONNREFUSED";
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      ["cve", "open", "4 min ago", "probes in 26 s", "6", "1,206", "41", "2", failure],
      ["cwe", "half open", "4 min ago", "desk:7 probes", "6", "1,206", "41", "2", failure],
      ["capec", "open", "4 min ago", "the next call probes", "6", "1,206", "41", "2", failure],
      ["attack", "closed", "-", "-", "0", "0", "0", "0", "-"],
    ]);
    expect(cli.requests[0]!.redis).toBe("existing");
  });

  test("fits a terminal", async () => {
    const cli = fakeCli(withBreakers([open]));
    cli.stdout.isTTY = true;
    cli.stdout.columns = 60;
    await cli.run("breakers");
    for (const line of cli.stdout.text.split("\n")) expect(visibleLength(line)).toBeLessThanOrEqual(60);
    expect(cli.stdout.text).toContain("probes in 26 s");
  });

  test("prints the same as JSON for scripts", async () => {
    const cli = fakeCli(withBreakers([open, closed("cwe")]));
    expect(await cli.run("breakers", "--json")).toBe(0);
    expect(cli.json()).toEqual({ breakers: [open, closed("cwe")] });
  });
});

describe("uee breakers reset", () => {
  const resetting = (changed: boolean, asked: unknown[] = []): Engine =>
    withBreakers([], {
      resetBreaker: async (...request) => {
        asked.push(request);
        return { changed, view: closed("cve") };
      },
    });

  test("closes one, by name and with a reason", async () => {
    const asked: [string, { actor: string; reason: string }][] = [];
    const cli = fakeCli(resetting(true, asked));
    expect(await cli.run("breakers", "reset", "cve", "--reason", "NVD is back")).toBe(0);
    expect(cli.stdout.text).toBe("The breaker of cve is closed: calls go through again.\n");
    expect(asked).toEqual([["cve", { actor: expect.stringMatching(/.+@.+/), reason: "NVD is back" }]]);
  });

  test("says when it is closed already; JSON tells the same", async () => {
    const cli = fakeCli(resetting(false));
    expect(await cli.run("breakers", "reset", "cve")).toBe(0);
    expect(cli.stdout.text).toBe("The breaker of cve is closed already.\n");
    const json = fakeCli(resetting(false));
    expect(await json.run("breakers", "reset", "cve", "--json")).toBe(0);
    expect(json.json()).toEqual({ changed: false, breaker: closed("cve") });
  });

  test("refuses a provider that does not exist and an empty reason, with 2", async () => {
    const cli = fakeCli(resetting(true));
    expect(await cli.run("breakers", "reset", "cev")).toBe(2);
    expect(cli.stderr.text).toContain("no provider 'cev'");
    expect(await fakeCli(resetting(true)).run("breakers", "reset", "cve", "--reason", " ")).toBe(2);
  });
});

describe("uee status", () => {
  test("shows a breaker that is open under its provider, and none that is closed", async () => {
    const waiting = machineStatus("WAITING_BACKOFF", {
      remainingMs: 26_000,
      reason: "PROV_CIRCUIT_OPEN: PROV_CONNECTION: connect ECONNREFUSED",
    });
    const status = engineStatus({
      providers: [providerStatus("cve", { machine: waiting }), providerStatus("cwe")],
    });
    const engine = withBreakers([open, closed("cwe")], { status: async () => status });
    const cli = fakeCli(engine);
    expect(await cli.run("status")).toBe(0);
    expect(cli.stdout.text).toContain(
      "waits 26 s more: PROV_CIRCUIT_OPEN: PROV_CONNECTION: connect ECONNREFUSED",
    );
    expect(cli.stdout.text).toContain(
      "circuit breaker open for 4 min after 6 failures in a row, the last PROV_CONNECTION; probes in 26 s",
    );
    expect(cli.stdout.text.match(/circuit breaker/g)).toHaveLength(1);
    const json = fakeCli(engine);
    await json.run("status", "--json");
    expect(json.json()).toMatchObject({ breakers: [{ state: "open" }, { state: "closed" }] });
  });
});
