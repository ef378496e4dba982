/** A command line without a process: fake streams, fake signals, a fake engine that says what the test wants. */
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { watchSignals } from "../../../src/cli/interrupts.js";
import { runCli } from "../../../src/cli/program.js";
import { silentLogger } from "../../../src/core/logger.js";
export const now = Date.parse("2026-03-15T12:00:00.000Z");
export const providerNames = ["cve", "cwe", "capec", "attack"];
export class FakeTerminal extends Writable {
  text = "";
  isTTY = false;
  columns = 80;
  /** Set: writing fails with it. */
  failure;
  _write(chunk, _encoding, done) {
    if (!this.failure) this.text += chunk.toString();
    done(this.failure);
  }
}
export function progress(provider, over = {}) {
  return {
    provider,
    runId: `run-${provider}`,
    mode: "full",
    state: "running",
    fetched: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    removed: 0,
    deadLettered: 0,
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
    startedAt: "2026-03-15T11:00:00.000Z",
    endedAt: null,
    checkpoint: null,
    waiting: null,
    ...over,
  };
}
export const closed = (provider, over = {}) =>
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
export function providerStatus(provider, over = {}) {
  return {
    provider,
    verified: false,
    watermark: null,
    verifiedAt: null,
    records: 0,
    openRun: null,
    lastRun: null,
    jobs: { waiting: 0, active: 0, delayed: 0, failed: 0 },
    lastCheckpoint: null,
    ...over,
  };
}
export function engineStatus(over = {}) {
  return {
    providers: providerNames.map((name) => providerStatus(name)),
    workers: [],
    stranded: false,
    redis: { version: "7.0.15", usedMemory: 1_000_000, maxMemory: 0, persistence: "aof" },
    at: new Date(now).toISOString(),
    ...over,
  };
}
const unexpected = (name) => () => {
  throw new Error(`the test did not expect ${name} to be called`);
};
/** Every run completes at once; what else is asked must be given by the test. */
export function fakeEngine(over = {}) {
  return {
    providers: providerNames,
    openRun: unexpected("openRun"),
    openRunWhenPossible: async ({ provider, mode }) => ({ runId: `run-${provider}`, joined: false, mode }),
    runProgress: async (provider) => progress(provider),
    waitForRun: async (provider) => closed(provider),
    status: async () => engineStatus(),
    liveWorkers: async () => [],
    checkpoints: unexpected("checkpoints"),
    deadLetters: {
      list: unexpected("deadLetters.list"),
      show: unexpected("deadLetters.show"),
      count: unexpected("deadLetters.count"),
    },
    records: {
      get: async () => undefined,
      export: unexpected("records.export"),
      changes: unexpected("records.changes"),
    },
    startWorker: async () => ({ id: "w1", stop: async () => {} }),
    close: async () => {},
    ...over,
  };
}
export function fakeCli(engine = fakeEngine(), over = {}) {
  const stdout = new FakeTerminal();
  const stderr = new FakeTerminal();
  const cli = {
    stdout,
    stderr,
    signals: new EventEmitter(),
    exits: [],
    requests: [],
    closedSessions: 0,
    lost: new AbortController(),
    context: {
      stdout: stdout,
      stderr: stderr,
      env: over.env ?? {},
      script: "uee",
      now: () => now,
      providerNames: async () => providerNames,
      interrupts: () => watchSignals(cli.signals, (code) => cli.exits.push(code)),
      open:
        over.open ??
        (async (request) => {
          cli.requests.push(request);
          return {
            engine,
            get config() {
              return unexpected("config")();
            },
            get redis() {
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
export async function* each(...items) {
  yield* items;
}
