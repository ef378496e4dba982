/** The supervisor by its table: what a worker process does or does not do, and what becomes of it. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { silentLogger } from "../../../src/core/logger.ts";
import { movesOf } from "../../../src/machines/defineMachine.ts";
import type {
  SpawnWorker,
  WorkerProcess,
  WorkerProcessListeners,
} from "../../../src/workers/supervision/channel.ts";
import { restartBudget } from "../../../src/workers/supervision/slot.ts";
import {
  type SupervisionEvent,
  Supervisor,
  type SupervisorOptions,
} from "../../../src/workers/supervision/supervisor.ts";
import { workerMachine } from "../../../src/workers/supervision/workerMachine.ts";

/** A process that does what the test says: by default it answers every ping and stops when told. */
class FakeProcess implements WorkerProcess {
  static count = 0;
  readonly pid = ++FakeProcess.count;
  readonly signals: string[] = [];
  answers = true;
  ready = true;
  live = true;
  stopsWhenTold = true;
  readonly #listeners: WorkerProcessListeners;
  #ended = false;

  constructor(listeners: WorkerProcessListeners) {
    this.#listeners = listeners;
  }

  ping(n: number): void {
    if (!this.answers || this.#ended) return;
    const { ready, live } = this;
    this.#listeners.onPong({ uee: "pong", n, worker: `w-${this.pid}`, ready, live, reasons: ["stale"] });
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.signals.push(signal);
    if (signal === "SIGKILL") this.end("was ended by SIGKILL");
    else if (this.stopsWhenTold) this.end("ended with code 0");
  }

  /** Ends, as the supervisor sees it: some turns later. */
  end(how: string): void {
    if (this.#ended) return;
    this.#ended = true;
    setTimeout(() => this.#listeners.onExit(how), 1);
  }
}

const PING_MS = 1_000;
const BACK_OFF_MS = 100;

let processes: FakeProcess[];
let events: SupervisionEvent[];
let onSpawn: (process: FakeProcess) => void;
let missed: Map<string, number>;
let supervisor: Supervisor;

const spawn: SpawnWorker = (listeners) => {
  const process = new FakeProcess(listeners);
  onSpawn(process);
  processes.push(process);
  return process;
};

function supervise(over: Partial<SupervisorOptions> = {}): Supervisor {
  supervisor = new Supervisor({
    count: 1,
    spawn,
    missedBeats: async () => missed,
    logger: silentLogger(),
    onEvent: (happened) => void events.push(happened),
    timing: {
      pingMs: PING_MS,
      pingsMissed: { working: 3, starting: 5 },
      redisWellMs: 2 * PING_MS,
      policy: { firstMs: BACK_OFF_MS, longestMs: 10_000, restarts: 3, windowMs: 60_000 },
    },
    ...over,
  });
  supervisor.start();
  return supervisor;
}

const rounds = (n: number) => jest.advanceTimersByTimeAsync(n * PING_MS + 10);
const named = (event: SupervisionEvent["event"]) => events.filter((happened) => happened.event === event);

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate"] });
  processes = [];
  events = [];
  missed = new Map();
  onSpawn = () => undefined;
});
afterEach(async () => {
  const stopped = supervisor?.stop(1_000);
  await jest.advanceTimersByTimeAsync(2_000);
  await stopped;
  jest.useRealTimers();
});

describe("a worker process that", () => {
  test("answers is left alone", async () => {
    supervise({ count: 2 });
    await rounds(20);
    expect(processes.map(({ signals }) => signals)).toEqual([[], []]);
    expect(events.map(({ event }) => event)).toEqual(["worker_started", "worker_started"]);
  });

  test("ends by itself is started again after a back-off", async () => {
    supervise();
    await rounds(1);
    processes[0]!.end("ended with code 1");
    await jest.advanceTimersByTimeAsync(BACK_OFF_MS / 2);
    expect(processes).toHaveLength(1);
    await rounds(2);
    expect(processes).toHaveLength(2);
    expect(named("worker_lost")).toMatchObject([{ pid: processes[0]!.pid, how: "ended with code 1" }]);
    expect(named("worker_restarted")).toMatchObject([{ pid: processes[1]!.pid }]);
  });

  test("hangs is killed after three unanswered pings, not before, and started again", async () => {
    supervise();
    await rounds(2);
    processes[0]!.answers = false;
    await rounds(3);
    expect(processes[0]!.signals).toEqual([]);
    await rounds(1);
    expect(processes[0]!.signals).toEqual(["SIGKILL"]);
    expect(named("worker_killed")).toMatchObject([{ why: "it has not answered 3 pings in a row" }]);
    await rounds(2);
    expect(named("worker_restarted")).toHaveLength(1);
    expect(processes[1]!.signals).toEqual([]);
  });

  test("answers again in time is forgiven", async () => {
    supervise();
    await rounds(2);
    for (let i = 0; i < 4; i++) {
      processes[0]!.answers = false;
      await rounds(2);
      processes[0]!.answers = true;
      await rounds(1);
    }
    expect(processes[0]!.signals).toEqual([]);
  });

  test("is slow to come up has longer", async () => {
    onSpawn = (process) => {
      process.answers = false;
    };
    supervise();
    await rounds(5);
    expect(processes[0]!.signals).toEqual([]);
    await rounds(1);
    expect(processes[0]!.signals).toEqual(["SIGKILL"]);
  });

  test("waits for Redis, and says so, is not hurried", async () => {
    onSpawn = (process) => {
      process.ready = false;
    };
    supervise();
    await rounds(100);
    expect(processes[0]!.signals).toEqual([]);
  });

  test("gets no answer from its queues is killed", async () => {
    supervise();
    await rounds(2);
    processes[0]!.live = false;
    await rounds(1);
    expect(processes[0]!.signals).toEqual(["SIGKILL"]);
    expect(named("worker_killed")).toMatchObject([{ why: "stale" }]);
  });

  test("the fleet has missed for three heartbeats is killed", async () => {
    supervise({ count: 2 });
    await rounds(3);
    missed = new Map([
      [`w-${processes[0]!.pid}`, 2],
      [`w-${processes[1]!.pid}`, 3],
    ]);
    await rounds(1);
    expect(processes.slice(0, 2).map(({ signals }) => signals)).toEqual([[], ["SIGKILL"]]);
    expect(named("worker_killed")).toMatchObject([{ slot: 2, why: "it missed 3 heartbeats" }]);
  });
});

describe("no worker is killed for what is not its fault:", () => {
  test("heartbeats that could not arrive while Redis was away, or just came back", async () => {
    let away = true;
    supervise({
      missedBeats: async () => {
        if (away) throw new Error("connection is closed");
        return missed;
      },
    });
    await rounds(10);
    missed = new Map([[`w-${processes[0]!.pid}`, 4]]);
    away = false;
    await rounds(1);
    expect(processes[0]!.signals).toEqual([]);
    // It beats again before Redis has been well for long enough to count on.
    missed.clear();
    await rounds(10);
    expect(processes[0]!.signals).toEqual([]);
  });

  test("looks into Redis that hang for a while", async () => {
    const answers: ((beats: Map<string, number>) => void)[] = [];
    supervise({ missedBeats: () => new Promise((resolve) => answers.push(resolve)) });
    await rounds(10);
    expect(answers).toHaveLength(1);
    answers[0]!(new Map([[`w-${processes[0]!.pid}`, 5]]));
    await rounds(1);
    expect(processes[0]!.signals).toEqual([]);
  });

  test("pings from before a sleep of the whole machine", async () => {
    supervise();
    await rounds(2);
    processes[0]!.answers = false;
    const asleep = jest.spyOn(performance, "now");
    for (let i = 0; i < 6; i++) {
      const woken = performance.now() + 3 * PING_MS;
      asleep.mockImplementation(() => woken);
      await jest.advanceTimersByTimeAsync(PING_MS);
    }
    expect(processes[0]!.signals).toEqual([]);
    asleep.mockRestore();
  });
});

describe("a crash loop", () => {
  test("ends after the restarts of the window, and the others go on", async () => {
    onSpawn = (process) => {
      if (process.pid !== FakeProcess.count || processes.length === 0) return;
      // The first one lives; all others die at once.
      process.end("ended with code 7");
    };
    supervise({ count: 2 });
    await rounds(60);
    expect(named("crash_loop")).toMatchObject([{ slot: 2, restarts: 3, how: "ended with code 7" }]);
    expect(processes).toHaveLength(1 + 1 + 3);
    expect(processes[0]!.signals).toEqual([]);
    await rounds(60);
    expect(processes).toHaveLength(5);
  });

  test("of all of them ends the supervision", async () => {
    onSpawn = (process) => process.end("ended with code 7");
    supervise({ count: 2 });
    const gone = supervisor.gone().then(() => "gone");
    await rounds(60);
    expect(await gone).toBe("gone");
    expect(supervisor.pids).toEqual([]);
  });

  test("is none where the deaths lie far apart", () => {
    let now = 0;
    const policy = { firstMs: 500, longestMs: 30_000, restarts: 5, windowMs: 60_000 };
    const afterDeath = restartBudget(policy, () => now);
    expect(Array.from({ length: 6 }, () => afterDeath())).toEqual([
      500,
      1_000,
      2_000,
      4_000,
      8_000,
      undefined,
    ]);
    now = 100_000;
    expect(afterDeath()).toBe(500);
    for (let i = 0; i < 100; i++) {
      now += 30_000;
      expect(afterDeath()).toBeDefined();
    }
  });
});

describe("stopping", () => {
  test("tells all, waits, and kills what remains at the deadline", async () => {
    supervise({ count: 2 });
    await rounds(1);
    processes[1]!.stopsWhenTold = false;
    const stopped = supervisor.stop(5_000);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(processes.map(({ signals }) => signals)).toEqual([["SIGTERM"], ["SIGTERM"]]);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(await stopped).toEqual({ forced: 1 });
    expect(processes[1]!.signals).toEqual(["SIGTERM", "SIGKILL"]);
    expect(processes).toHaveLength(2);
  });

  test("starts nothing that was about to come back", async () => {
    supervise();
    await rounds(1);
    processes[0]!.end("ended with code 1");
    await jest.advanceTimersByTimeAsync(BACK_OFF_MS / 2);
    expect(await supervisor.stop(5_000)).toEqual({ forced: 0 });
    await rounds(10);
    expect(processes).toHaveLength(1);
  });
});

test("docs/workers.md shows the table as it is", () => {
  const page = readFileSync(new URL("../../../docs/workers.md", import.meta.url), "utf8");
  const rows = movesOf(workerMachine).map(
    ({ from, event, to, why }) => `| \`${from}\` | \`${event}\` | \`${to}\` | ${why} |`,
  );
  expect(page.split("\n").filter((line) => /^\| `\w+` \| `\w+` \| `\w+` \|/.test(line))).toEqual(rows);
});
