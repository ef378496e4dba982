/** A command line without a process: fake streams, fake signals, a fake engine that says what the test wants. */
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import type { CliContext, Session, SessionRequest, Terminal } from "../../../src/cli/context.ts";
import { watchSignals } from "../../../src/cli/exits.ts";
import { runCli } from "../../../src/cli/program.ts";
import { statusLines } from "../../../src/cli/render/status.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type {
  Engine,
  EngineStatus,
  MachineStatus,
  ProviderStatus,
  RunProgress,
  WorkerHandle,
} from "../../../src/engine/api.ts";

export const now = Date.parse("2026-03-15T12:00:00.000Z");

export const providerNames = ["cve", "cwe", "capec", "attack"];

export class FakeTerminal extends Writable {
  text = "";
  isTTY = false;
  columns = 80;
  /** Set: writing fails with it. */
  failure: NodeJS.ErrnoException | undefined;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (!this.failure) this.text += chunk.toString();
    done(this.failure);
  }
}

export function progress(provider: string, over: Partial<RunProgress> = {}): RunProgress {
  return {
    provider,
    runId: `run-${provider}`,
    kind: "ordinary",
    mode: "full",
    state: "running",
    fetched: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    removed: 0,
    deadLettered: 0,
    accepted: 0,
    requests: 0,
    batches: 0,
    durationMs: 0,
    watermark: null,
    error: null,
    phase: "loading",
    pass: 1,
    expected: null,
    batchesDone: 0,
    batchesPlanned: 0,
    actor: "",
    reason: null,
    startedAt: "2026-03-15T11:00:00.000Z",
    endedAt: null,
    checkpoint: null,
    note: null,
    reconciled: null,
    waiting: null,
    retrying: [],
    ...over,
  };
}

export const closed = (provider: string, over: Partial<RunProgress> = {}): RunProgress =>
  progress(provider, {
    phase: "closed",
    state: "complete",
    fetched: 10,
    created: 10,
    requests: 1,
    batches: 1,
    durationMs: 1_500,
    endedAt: "2026-03-15T11:30:00.000Z",
    ...over,
  });

export const machineStatus = (state: string, over: Partial<MachineStatus> = {}): MachineStatus => ({
  state,
  since: "2026-03-15T11:50:00.000Z",
  reason: null,
  actor: null,
  until: null,
  remainingMs: 0,
  version: 1,
  ...over,
});

/** Ten minutes ago, by a person with a reason. */
export const paused = machineStatus("PAUSED", { reason: "NVD moves house", actor: "ann@desk" });

export function providerStatus(provider: string, over: Partial<ProviderStatus> = {}): ProviderStatus {
  return {
    provider,
    machine: machineStatus("IDLE", { since: null, version: 0 }),
    verified: false,
    watermark: null,
    verifiedAt: null,
    edition: null,
    records: 0,
    openRun: null,
    lastRun: null,
    lastRunSettled: false,
    lastReplay: null,
    jobs: { waiting: 0, active: 0, delayed: 0, failed: 0 },
    deadLetters: {
      ...{ provider, entries: 0, maxEntries: 10_000, rawBytes: 0, maxRawBytes: 256_000_000 },
      ...{ share: 0, level: "ok" },
    },
    reconciled: null,
    reconcileFailed: null,
    lastCheckpoint: null,
    nextRun: null,
    staleAfterMs: null,
    ...over,
  };
}

export function engineStatus(over: Partial<EngineStatus> = {}): EngineStatus {
  return {
    macro: machineStatus("BOOTSTRAPPING", { since: null, version: 0 }),
    providers: providerNames.map((name) => providerStatus(name)),
    workers: [],
    stranded: false,
    runsPaused: false,
    redis: { version: "7.0.15", usedMemory: 1_000_000, maxMemory: 0, persistence: "aof", trouble: null },
    at: new Date(now).toISOString(),
    ...over,
  };
}

/** `uee status` without open breakers. */
export const renderStatus = (status: EngineStatus, look: Parameters<typeof statusLines>[1]): string =>
  `${statusLines({ ...status, breakers: [] }, look).join("\n")}\n`;

const unexpected = (name: string) => () => {
  throw new Error(`the test did not expect ${name} to be called`);
};

/** Every run completes at once; what else is asked must be given by the test. */
export function fakeEngine(over: Partial<Engine> = {}): Engine {
  return {
    providers: providerNames,
    openRun: unexpected("openRun"),
    prepareRun: unexpected("prepareRun"),
    openRunWhenPossible: async ({ provider, mode }) => ({ runId: `run-${provider}`, joined: false, mode }),
    runProgress: async (provider) => progress(provider),
    waitForRun: async (provider) => closed(provider),
    status: async () => engineStatus(),
    pause: unexpected("pause"),
    resume: unexpected("resume"),
    stop: unexpected("stop"),
    permits: {
      show: unexpected("permits.show"),
      resize: unexpected("permits.resize"),
      audit: unexpected("permits.audit"),
      audits: unexpected("permits.audits"),
    },
    breakers: async () => [],
    breakerTransitions: unexpected("breakerTransitions"),
    resetBreaker: unexpected("resetBreaker"),
    onBreakerStateChange: unexpected("onBreakerStateChange"),
    kernelMetrics: unexpected("kernelMetrics"),
    kernelHistory: unexpected("kernelHistory"),
    series: unexpected("series"),
    etlTree: unexpected("etlTree"),
    runs: unexpected("runs"),
    transitions: unexpected("transitions"),
    quotaEvents: unexpected("quotaEvents"),
    actionsIn: unexpected("actionsIn"),
    statesFor: unexpected("statesFor"),
    ready: unexpected("ready"),
    totals: unexpected("totals"),
    runsJobs: unexpected("runsJobs"),
    schedules: unexpected("schedules"),
    history: unexpected("history"),
    liveWorkers: async () => [],
    checkpoints: unexpected("checkpoints"),
    deadLetters: {
      list: unexpected("deadLetters.list"),
      show: unexpected("deadLetters.show"),
      count: unexpected("deadLetters.count"),
      raw: unexpected("deadLetters.raw"),
      stats: unexpected("deadLetters.stats"),
      replay: unexpected("deadLetters.replay"),
      accept: unexpected("deadLetters.accept"),
      purge: unexpected("deadLetters.purge"),
    },
    records: {
      get: async () => undefined,
      texts: async () => [],
      verified: async () => ({ verifiedAt: null, watermark: null, edition: null, openRun: null, clock: "" }),
      trace: async () => undefined,
      about: async () => [],
      export: unexpected("records.export"),
      changes: unexpected("records.changes"),
      recentChanges: unexpected("records.recentChanges"),
      search: unexpected("records.search"),
      changesEnd: unexpected("records.changesEnd"),
    },
    workers: async () => [],
    noteWorkerEnd: async () => undefined,
    startWorker: async () => fakeWorker(),
    onShutdown: () => () => {},
    close: async () => ({ left: [] }),
    ...over,
  };
}

export const fakeWorker = (over: Partial<WorkerHandle> = {}): WorkerHandle => ({
  id: "w1",
  report: () => ({ state: "ready", live: true, ready: true, reasons: [] }),
  onShutdown: () => () => {},
  stop: async () => ({ left: [] }),
  ...over,
});

export interface FakeCli {
  stdout: FakeTerminal;
  stderr: FakeTerminal;
  signals: EventEmitter;
  /** Codes with which the process would have been ended at once. */
  exits: number[];
  requests: SessionRequest[];
  closedSessions: number;
  lost: AbortController;
  context: CliContext;
  run(...argv: string[]): Promise<number>;
  json(): unknown;
}

export function fakeCli(
  engine: Engine = fakeEngine(),
  over: { env?: NodeJS.ProcessEnv; session?: Partial<Session>; open?: CliContext["open"] } = {},
): FakeCli {
  const stdout = new FakeTerminal();
  const stderr = new FakeTerminal();
  const cli: FakeCli = {
    stdout,
    stderr,
    signals: new EventEmitter(),
    exits: [],
    requests: [],
    closedSessions: 0,
    lost: new AbortController(),
    context: {
      stdout: stdout as Terminal,
      stderr: stderr as Terminal,
      env: over.env ?? {},
      script: "uee",
      now: () => now,
      providerNames: async () => providerNames,
      interrupts: () => watchSignals(cli.signals, (code) => cli.exits.push(code)),
      supervised: undefined,
      open:
        over.open ??
        (async (request) => {
          cli.requests.push(request);
          return {
            engine,
            get config(): Session["config"] {
              return unexpected("config")();
            },
            get redis(): Session["redis"] {
              return unexpected("redis")();
            },
            logger: silentLogger(),
            redisUrl: "redis://localhost:6379",
            redisDisplay: "redis://localhost:6379",
            localStore: undefined,
            keyless: false,
            lost: cli.lost.signal,
            close: async () => {
              cli.closedSessions++;
              return { left: [] };
            },
            ...over.session,
          };
        }),
    },
    run: (...argv) => runCli(argv, cli.context),
    json: () => JSON.parse(stdout.text),
  };
  return cli;
}

export async function* each<Item>(...items: Item[]): AsyncGenerator<Item> {
  yield* items;
}
