import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import type { Engine, MachineStatus, RunProgress, RunSummary } from "../../../src/engine/api.ts";
import {
  closed,
  engineStatus,
  fakeCli,
  fakeEngine,
  fakeWorker,
  machineStatus,
  paused,
  progress,
  providerStatus,
} from "./support.ts";

const contractFields = [
  "provider",
  "runId",
  "mode",
  "state",
  "fetched",
  "created",
  "updated",
  "unchanged",
  "removed",
  "deadLettered",
  "requests",
  "batches",
  "durationMs",
  "watermark",
  "error",
];

const remoteWorker = {
  id: "w9",
  host: "another-host",
  pid: 1,
  startedAt: "",
  lastSeen: "",
  providers: ["cve", "cwe", "capec", "attack"],
  takesRuns: true,
};

/** A run that never ends by itself; rejects as the contract says when told to stop. */
const endless =
  (started: (provider: string) => void = () => {}): Engine["waitForRun"] =>
  (provider, _runId, { signal, onProgress }) =>
    new Promise((_resolve, reject) => {
      const stop = () => reject(new UeeError("SYS_INTERRUPTED"));
      if (signal?.aborted) return stop();
      signal?.addEventListener("abort", stop);
      onProgress?.(progress(provider, { fetched: 7, created: 7, expected: 100 }));
      started(provider);
    });

test("the progress of a wait shows each failed attempt at once", async () => {
  const retry = {
    ...{ batch: "w0/2000", code: "PROV_NOT_FOUND", message: "The upstream answered 404.", attempts: 8 },
    nextAt: "2026-03-15T12:00:08.000Z",
  };
  const engine = fakeEngine({
    waitForRun: async (provider, _runId, { onProgress }) => {
      onProgress?.(progress(provider, { fetched: 7, expected: 100 }));
      onProgress?.(progress(provider, { fetched: 7, expected: 100, retrying: [{ ...retry, attempt: 3 }] }));
      onProgress?.(progress(provider, { fetched: 7, expected: 100, retrying: [{ ...retry, attempt: 4 }] }));
      return closed(provider);
    },
  });
  const cli = fakeCli(engine);
  expect(await cli.run("run", "cve", "--wait")).toBe(0);
  const said = "w0/2000: PROV_NOT_FOUND: The upstream answered 404, attempt";
  expect(cli.stderr.text).toContain(`7 of 100 (7 %); ${said} 3 of 8, next in 8 s\n`);
  expect(cli.stderr.text).toContain(`${said} 4 of 8, next in 8 s\n`);
});

const countingWorker = () => {
  const calls: string[] = [];
  const startWorker: Engine["startWorker"] = async (options) => {
    calls.push(`start ${options?.providers?.join(" ")}`);
    return fakeWorker({
      stop: async () => {
        calls.push("stop");
        return { left: [] };
      },
    });
  };
  return { calls, startWorker };
};

describe("uee run", () => {
  test("--wait --json prints exactly the contract's document", async () => {
    const cli = fakeCli();
    expect(await cli.run("run", "cve", "cwe", "--wait", "--json")).toBe(0);
    const document = cli.json() as { runs: Record<string, unknown>[] };
    expect(Object.keys(document)).toEqual(["runs"]);
    expect(document.runs.map((run) => run.provider)).toEqual(["cve", "cwe"]);
    for (const run of document.runs) expect(Object.keys(run)).toEqual(contractFields);
  });

  test("all means every provider, each once", async () => {
    const cli = fakeCli();
    await cli.run("run", "all", "cve", "--json");
    const { runs } = cli.json() as { runs: { provider: string }[] };
    expect(runs.map((run) => run.provider)).toEqual(["cve", "cwe", "capec", "attack"]);
  });

  test("works in this process, and waits, when no worker lives", async () => {
    const { calls, startWorker } = countingWorker();
    const cli = fakeCli(fakeEngine({ startWorker }));
    expect(await cli.run("run", "cwe", "cve")).toBe(0);
    expect(calls).toEqual(["start cve cwe", "stop"]);
    expect(cli.stdout.text).toContain("Complete and verified");
    expect(cli.closedSessions).toBe(1);
  });

  test("leaves the work to live workers unless told to wait", async () => {
    const { calls, startWorker } = countingWorker();
    const engine = fakeEngine({ startWorker, liveWorkers: async () => [remoteWorker] });
    const opened = fakeCli(engine);
    expect(await opened.run("run", "cve")).toBe(0);
    expect(calls).toEqual([]);
    expect(opened.stdout.text).toContain("cve: full run run-cve is open; workers take it from here.");

    expect(await fakeCli(engine).run("run", "cve", "--wait")).toBe(0);
    expect(calls).toEqual(["start cve", "stop"]);
  });

  test("ends with 1 when one run is not complete, and says why", async () => {
    const error = { code: "PROV_SHRUNK", message: "lost 300 of 900", remedy: "--allow-shrink" };
    const cli = fakeCli(
      fakeEngine({
        waitForRun: async (provider) =>
          provider === "cwe" ? closed("cwe", { state: "incomplete", error }) : closed(provider),
      }),
    );
    expect(await cli.run("run", "all")).toBe(1);
    expect(cli.stdout.text).toContain("Not complete: cwe incomplete.");
    expect(cli.stdout.text).toContain("PROV_SHRUNK: lost 300 of 900");
  });

  test("a provider whose run cannot be opened is shown as failed; the others go on", async () => {
    const cli = fakeCli(
      fakeEngine({
        openRunWhenPossible: async ({ provider, mode }) => {
          if (provider === "capec") throw new UeeError("SYS_FLEET_DISAGREES");
          return { runId: `run-${provider}`, joined: false, mode };
        },
      }),
    );
    expect(await cli.run("run", "capec", "attack", "--json")).toBe(1);
    const { runs } = cli.json() as { runs: { state: string; error: { code: string } | null }[] };
    expect(runs.map(({ state }) => state)).toEqual(["failed", "complete"]);
    expect(runs[0]!.error?.code).toBe("SYS_FLEET_DISAGREES");
  });

  describe("a provider that is paused", () => {
    const openRun = progress("cve", { runId: "run-7", mode: "full", fetched: 70, created: 70 });
    const statusOf = (machine: MachineStatus, run: RunProgress | null): Engine["status"] => {
      const cve = providerStatus("cve", { machine, openRun: run });
      return async () => engineStatus({ providers: [cve, providerStatus("cwe")] });
    };
    const refusing: Partial<Engine> = {
      openRunWhenPossible: async ({ provider, mode }) => {
        if (provider === "cve") throw new UeeError("PROV_PAUSED", "cve is paused");
        return { runId: `run-${provider}`, joined: false, mode };
      },
    };
    const reason = {
      code: "PROV_PAUSED",
      message: "cve was paused 10 min ago by ann@desk: NVD moves house",
      remedy: "`uee resume cve` goes on from the checkpoint.",
    };
    const runsOf = (cli: ReturnType<typeof fakeCli>) => (cli.json() as { runs: RunSummary[] }).runs;

    test("refuses a run: exit 1, its open run, by whom and why; the others go on", async () => {
      const cli = fakeCli(fakeEngine({ ...refusing, status: statusOf(paused, openRun) }));
      expect(await cli.run("run", "cve", "cwe", "--wait", "--json")).toBe(1);
      const [cve, cwe] = runsOf(cli);
      expect(cve).toMatchObject({
        runId: "run-7",
        mode: "full",
        state: "paused",
        fetched: 70,
        error: reason,
      });
      expect(Object.keys(cve!)).toEqual(contractFields);
      expect(cwe!.state).toBe("complete");
    });

    test("without an open run there is no run id", async () => {
      const cli = fakeCli(fakeEngine({ ...refusing, status: statusOf(paused, null) }));
      expect(await cli.run("run", "cve", "--json")).toBe(1);
      expect(runsOf(cli)).toEqual([
        expect.objectContaining({ runId: "", mode: "incremental", state: "paused", error: reason }),
      ]);
    });

    test("that an operator resumes meanwhile still has what the refusal said", async () => {
      const cli = fakeCli(fakeEngine({ ...refusing, status: statusOf(machineStatus("ACQUIRING"), openRun) }));
      expect(await cli.run("run", "cve", "--json")).toBe(1);
      expect(runsOf(cli)[0]!.error).toEqual({ ...reason, message: "cve is paused" });
    });

    test("with live workers the refusal is told at once, and nothing is said to be under way", async () => {
      const cli = fakeCli(
        fakeEngine({
          ...refusing,
          status: statusOf(paused, null),
          liveWorkers: async () => [remoteWorker],
        }),
      );
      expect(await cli.run("run", "cve")).toBe(1);
      expect(cli.stdout.text).toBe(`cve: PROV_PAUSED: ${reason.message}\n  ${reason.remedy}\n`);
    });

    test("in mid-run ends the wait with the figures so far and the reason", async () => {
      const { calls, startWorker } = countingWorker();
      const cli = fakeCli(
        fakeEngine({
          startWorker,
          waitForRun: async () => ({ ...openRun, state: "paused" }),
          status: statusOf(paused, openRun),
        }),
      );
      expect(await cli.run("run", "cve", "--wait")).toBe(1);
      expect(cli.stdout.text).toContain("Not complete: cve paused.");
      expect(cli.stdout.text).toContain(`cve: PROV_PAUSED: ${reason.message}\n  ${reason.remedy}`);
      expect(cli.stdout.text).toContain("uee resume cve");
      expect(cli.stderr.text).toContain("cve: paused\n");
      expect(calls).toEqual(["start cve", "stop"]);
    });
  });

  test("a run that an operator stops ends the wait with 1", async () => {
    const error = { code: "PROV_STOPPED", message: "stopped by ann@desk", remedy: "Run it again." };
    const cli = fakeCli(fakeEngine({ waitForRun: async () => closed("cve", { state: "stopped", error }) }));
    expect(await cli.run("run", "cve", "--wait")).toBe(1);
    expect(cli.stdout.text).toContain("Not complete: cve stopped.");
    expect(cli.stdout.text).toContain("stopped by ann@desk");
  });

  test("passes --full and --allow-shrink on", async () => {
    const asked: unknown[] = [];
    const engine = fakeEngine({
      openRunWhenPossible: async (request) => {
        asked.push(request);
        return { runId: "r", joined: false, mode: request.mode };
      },
    });
    await fakeCli(engine).run("run", "cve", "--full", "--allow-shrink", "--reason", "NVD said so");
    await fakeCli(engine).run("run", "cve");
    const who = expect.stringMatching(/.+@.+/);
    expect(asked).toEqual([
      {
        provider: "cve",
        mode: "full",
        allowShrink: true,
        allowOlder: false,
        actor: who,
        reason: "NVD said so",
      },
      { provider: "cve", mode: "incremental", allowShrink: false, allowOlder: false, actor: who },
    ]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("%s stops the worker, says that the same command continues, and ends with %i", async (signal, code) => {
    const { calls, startWorker } = countingWorker();
    const cli = fakeCli(
      fakeEngine({ startWorker, waitForRun: endless(() => void cli.signals.emit(signal)) }),
    );
    expect(await cli.run("run", "cve", "--full", "--json")).toBe(code);
    expect(calls).toEqual(["start cve", "stop"]);
    expect(cli.stderr.text).toContain("the same command continues: uee run cve --full");
    const { runs } = cli.json() as { runs: { state: string; fetched: number; error: { code: string } }[] };
    expect(runs[0]).toMatchObject({ state: "incomplete", fetched: 7, error: { code: "SYS_INTERRUPTED" } });
    expect(cli.exits).toEqual([]);
    expect(cli.signals.listenerCount(signal)).toBe(0);
  });

  test("interrupted while it still connects, it ends the same way, with one document", async () => {
    const cli = fakeCli(fakeEngine(), {
      open: async () => {
        cli.signals.emit("SIGTERM");
        throw new UeeError("SYS_INTERRUPTED");
      },
    });
    expect(await cli.run("run", "cve", "--json")).toBe(143);
    expect(cli.json()).toMatchObject({ error: { code: "SYS_INTERRUPTED" } });
  });

  test("a second signal ends the process at once", async () => {
    const engine = fakeEngine({
      waitForRun: endless(() => void cli.signals.emit("SIGINT")),
      startWorker: async () =>
        fakeWorker({
          stop: async () => {
            cli.signals.emit("SIGINT");
            return { left: [] };
          },
        }),
    });
    const cli = fakeCli(engine);
    await cli.run("run", "cve");
    expect(cli.exits).toEqual([130]);
  });

  test("--timeout ends with 1 and the state so far", async () => {
    const cli = fakeCli(fakeEngine({ waitForRun: endless() }));
    expect(await cli.run("run", "cve", "--timeout", "20ms", "--json")).toBe(1);
    const { runs } = cli.json() as { runs: { state: string; fetched: number; error: { code: string } }[] };
    expect(runs[0]).toMatchObject({ state: "incomplete", fetched: 7, error: { code: "SYS_WAIT_TIMEOUT" } });
    expect(cli.stderr.text).toContain("the same command continues");
  });

  test("--timeout says what was waited for", async () => {
    const machine = machineStatus("WAITING_BACKOFF", {
      reason: "PROV_CIRCUIT_OPEN: cve failed 5 times",
      remainingMs: 26_000,
    });
    const status = async () => engineStatus({ providers: [providerStatus("cve", { machine })] });
    const liveWorkers = async () => [remoteWorker];
    const cli = fakeCli(fakeEngine({ waitForRun: endless(), status, liveWorkers }));
    expect(await cli.run("run", "cve", "--wait", "--timeout", "20ms")).toBe(1);
    expect(cli.stdout.text).toContain(
      "It was waiting for the upstream: cve waits 26 s more: PROV_CIRCUIT_OPEN: cve failed 5 times.",
    );
  });

  const never = () => new Promise<never>(() => {});
  test.each<[string, Partial<Engine>]>([
    ["looking for workers", { liveWorkers: never }],
    ["starting to work here", { startWorker: never }],
    ["opening the run", { openRunWhenPossible: never }],
    ["waiting for the run", { waitForRun: never }],
  ])("--timeout holds while Redis hangs in %s", async (_phase, over) => {
    const cli = fakeCli(fakeEngine({ ...over, status: never }));
    expect(await cli.run("run", "cve", "--wait", "--timeout", "20ms")).toBe(1);
    expect(cli.stdout.text + cli.stderr.text).toMatch(/SYS_WAIT_TIMEOUT: .*It was waiting for Redis/);
    expect(cli.closedSessions).toBe(1);
  });

  test("--timeout holds before Redis was reached", async () => {
    const cli = fakeCli(fakeEngine(), {
      open: ({ signal }) =>
        new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    });
    expect(await cli.run("run", "cve", "--timeout", "20ms", "--json")).toBe(1);
    const error = { code: "SYS_WAIT_TIMEOUT", message: expect.stringContaining("waiting for Redis") };
    expect(cli.json()).toMatchObject({ runs: [{ provider: "cve", state: "incomplete", error }] });
  });

  test("a Redis that is away for a moment is waited for", async () => {
    let asked = 0;
    const cli = fakeCli(
      fakeEngine({
        waitForRun: async (provider) => {
          asked++;
          if (asked === 1) throw new UeeError("SYS_REDIS_UNREACHABLE");
          return closed(provider);
        },
      }),
    );
    expect(await cli.run("run", "cve")).toBe(0);
    expect(asked).toBe(2);
  });

  test("a Redis that stays away ends with 3, one document on stdout", async () => {
    const { calls, startWorker } = countingWorker();
    const gone = new UeeError("SYS_REDIS_UNREACHABLE", "Redis is away for 120 s.");
    const cli = fakeCli(fakeEngine({ startWorker, waitForRun: endless(() => cli.lost.abort(gone)) }));
    expect(await cli.run("run", "cve", "--json")).toBe(3);
    expect(cli.json()).toMatchObject({ error: { code: "SYS_REDIS_UNREACHABLE" } });
    expect(calls).toEqual(["start cve", "stop"]);
    expect(cli.closedSessions).toBe(1);
  });

  test("says how long a first load takes without a key, and only for cve", async () => {
    const note =
      "No NVD_API_KEY and no year feeds: 5 requests in 30 s, about 19 min for a first load; Ctrl-C is safe";
    const cve = fakeCli(fakeEngine(), { session: { keyless: true } });
    await cve.run("run", "all", "--json");
    expect(cve.stderr.text).toContain(note);
    const cwe = fakeCli(fakeEngine(), { session: { keyless: true } });
    await cwe.run("run", "cwe");
    expect(cwe.stderr.text).not.toContain("NVD_API_KEY");
  });

  test("progress and remarks go to stderr, sampled where it is no terminal", async () => {
    const cli = fakeCli(
      fakeEngine({
        openRunWhenPossible: async ({ provider, mode }) => ({ runId: `run-${provider}`, joined: true, mode }),
        waitForRun: async (provider, _runId, { onProgress }) => {
          for (let fetched = 0; fetched <= 1_000; fetched++) {
            onProgress?.(progress(provider, { fetched, expected: 1_000 }));
          }
          return closed(provider);
        },
      }),
    );
    await cli.run("run", "cve", "--json");
    const lines = cli.stderr.text.trim().split("\n");
    expect(lines).toContain("cve: joins the open incremental run run-cve.");
    expect(lines.length).toBeLessThan(6);
    expect(lines.at(-1)).toBe("cve: complete");
  });

  test("on a terminal it shows progress and nothing else", async () => {
    const cli = fakeCli(
      fakeEngine({
        openRunWhenPossible: async ({ provider, mode }) => ({ runId: `run-${provider}`, joined: true, mode }),
      }),
    );
    cli.stderr.isTTY = true;
    expect(await cli.run("run", "cve", "--wait")).toBe(0);
    const shown = stripVTControlCharacters(cli.stderr.text).trim().split("\n");
    for (const line of shown) expect(line).toMatch(/^ *cve {2}(opening$|joins the open|[█░]{12} )/);
  });
});
