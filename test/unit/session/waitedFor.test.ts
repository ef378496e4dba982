/** Who gives up waiting learns what was waited for. */
import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import type { EngineStatus, WorkerStatus } from "../../../src/engine/api.ts";
import { waitedFor } from "../../../src/session/waitedFor.ts";
import { engineStatus, machineStatus, now, paused, progress, providerStatus } from "../cli/support.ts";

const worker = (providers: string[]): WorkerStatus => ({
  ...{ id: "w1", host: "h", pid: 1, startedAt: "", lastSeen: "", takesRuns: true },
  providers,
});

const asked = (
  over: Parameters<typeof providerStatus>[1],
  { live = [worker(["cve"])], status = {} }: { live?: WorkerStatus[]; status?: Partial<EngineStatus> } = {},
): Promise<string> =>
  waitedFor(
    {
      status: async () => engineStatus({ providers: [providerStatus("cve", over)], ...status }),
      liveWorkers: async () => live,
    },
    "cve",
  );

const waits = (state: string, reason: string) => machineStatus(state, { reason, remainingMs: 26_000 });
const in8s = new Date(now + 8_000).toISOString();
const openRun = progress("cve", { batchesDone: 3, batchesPlanned: 9 });
const redis = { version: "7", usedMemory: 1, maxMemory: 1, persistence: "aof" };

describe("what was waited for", () => {
  test.each([
    ["the rate limit", "PROV_RATE_WAIT: the rate limit of the current window is used up"],
    ["the breaker", "PROV_CIRCUIT_OPEN: failed again and again"],
    ["what the upstream told", "PROV_THROTTLED: The upstream answered 429"],
  ])("%s", async (_what, reason) => {
    const clause = await asked({ machine: waits("WAITING_BACKOFF", reason), openRun });
    expect(clause).toBe(`the upstream: cve waits 26 s more: ${reason}`);
  });

  test("a permit", async () => {
    const machine = machineStatus("WAITING_QUOTA", { reason: "no permit (pool full, 2 ahead, 3 of 3 held)" });
    expect(await asked({ machine, openRun })).toBe(
      "a permit: cve has waited 10 min: no permit (pool full, 2 ahead, 3 of 3 held)",
    );
  });

  test("a person, where the provider is paused", async () => {
    expect(await asked({ machine: paused, openRun })).toContain(
      "paused 10 min ago by ann@desk: NVD moves house",
    );
  });

  test("the back-off of a batch, with its error", async () => {
    const retry = {
      batch: "w0/0",
      code: "PROV_NOT_FOUND",
      message: "The upstream answered 404.",
      nextAt: in8s,
    };
    const retrying = [{ ...retry, attempt: 3, attempts: 5 }];
    expect(await asked({ machine: machineStatus("RUNNING"), openRun: { ...openRun, retrying } })).toBe(
      "the next attempt of a batch that failed: w0/0: PROV_NOT_FOUND: The upstream answered 404, attempt 3 of 5, next in 8 s",
    );
  });

  test("a worker, where none lives that takes the provider's batches", async () => {
    expect(await asked({ openRun }, { live: [worker(["cwe"])] })).toBe(
      "a worker: none lives that takes batches of cve",
    );
  });

  test("Redis, where it is away, hangs or refuses writes", async () => {
    const status = { redis: { ...redis, trouble: "OOM" } };
    expect(await asked({ openRun }, { status })).toBe("Redis: Redis refuses writes: OOM");
    const away = async () => {
      throw new UeeError("SYS_REDIS_UNREACHABLE", "Redis is gone.");
    };
    expect(await waitedFor({ status: away, liveWorkers: async () => [] }, "cve")).toBe(
      "Redis: Redis is gone",
    );
    const hangs = () => new Promise<never>(() => {});
    expect(await waitedFor({ status: hangs, liveWorkers: hangs }, "cve")).toBe("Redis: it does not answer");
  });

  test("the run itself, where it is simply at work", async () => {
    const clause = await asked({ machine: machineStatus("RUNNING"), openRun });
    expect(clause).toContain("which is at work: loading, 3 of 9 batches done");
  });
});
