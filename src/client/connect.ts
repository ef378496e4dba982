/** The library: one call that finds the mirror as every command does, and what may be done with it. */
import { UeeError } from "../core/errors.ts";
import { silentLogger } from "../core/logger.ts";
import type { Engine, MachineStatus, PersonRequest } from "../engine/api.ts";
import type { ChangeEntry } from "../records/contract.ts";
import { type OpenMirror, openMirror } from "../session/openMirror.ts";
import { clearErrors, clearIterable } from "./clearErrors.ts";
import { type ChangesOptions, followChanges } from "./following.ts";
import { type ClientOptions, configOf } from "./options.ts";
import { openRun, openRuns, type RunHandle, type RunOptions, type RunsHandle } from "./runs.ts";
import { WorkInTurn } from "./workInTurn.ts";

const OUTAGE_MS = 120_000;
const CONNECT_MS = 5_000;

/** What the library shows of the engine as it is. */
type Shown = Pick<
  Engine,
  | "providers"
  | "status"
  | "runs"
  | "checkpoints"
  | "history"
  | "transitions"
  | "schedules"
  | "workers"
  | "permits"
  | "deadLetters"
  | "kernelMetrics"
  | "startWorker"
>;

/** A mirror, connected. All methods reject with a UeeError: match on its `code`. */
export interface Uee extends Shown, AsyncDisposable {
  /** Opens runs of several providers or of `all`, or joins the open ones; those that are paused are refused alone. */
  run(providers: "all" | readonly string[], options?: RunOptions): Promise<RunsHandle>;
  /** Opens a run of one provider, or joins the open one. Rejects with PROV_PAUSED, PROV_UNKNOWN. */
  run(provider: string, options?: RunOptions): Promise<RunHandle>;
  /** New batches stop at once, running ones at their next safe point. It stays paused until a person resumes it. */
  pause(provider: string, by?: PersonRequest): Promise<MachineStatus>;
  /** Goes on from the checkpoint. Rejects with PROV_ILLEGAL_TRANSITION naming the states that would allow it. */
  resume(provider: string, by?: PersonRequest): Promise<MachineStatus>;
  /** Cancels what is planned of the open run and closes it as stopped. */
  stop(provider: string, by?: PersonRequest): Promise<MachineStatus>;
  readonly records: Pick<Engine["records"], "get" | "export">;
  /** What was created, updated and removed, in order; each entry carries the cursor to go on from. */
  changes(options?: ChangesOptions): AsyncGenerator<ChangeEntry, void, undefined>;
  /** Where the change feed ends now: what is read from this cursor happened after. */
  cursor(): Promise<string>;
  /** Waits and iterators under way reject; a worker of this process stops, its batches go back. */
  close(): Promise<void>;
}

/**
 * Finds the mirror by the options, the environment and the configuration file, as `uee` does; creates no local server.
 * Starts no worker unless asked, except for `run(…).wait()` while no live worker takes the provider's batches.
 *
 * @throws UeeError SYS_CONFIG_INVALID, SYS_NO_STORE, SYS_REDIS_UNREACHABLE, SYS_REDIS_AUTH, SYS_SCHEMA_NEWER
 */
export async function connect(options: ClientOptions = {}): Promise<Uee> {
  const { config, warnings } = configOf(options);
  const { logger = silentLogger(), actor = "library", providers, signal, outageMs = OUTAGE_MS } = options;
  for (const warning of warnings) logger.warn({ event: "config" }, warning);
  const mirror = await openMirror({
    redis: "existing",
    config,
    logger,
    name: "uee:library",
    patience: { startMs: options.connectTimeoutMs ?? CONNECT_MS, outageMs },
    // Checked before this process works, not before it reads.
    fit: false,
    ...(providers ? { providers } : {}),
    ...(signal ? { signal } : {}),
  });
  return client(mirror, actor);
}

function client({ engine, lost, assertFit, close }: OpenMirror, actor: string): Uee {
  const closed = new AbortController();
  const ended = AbortSignal.any([lost, closed.signal]);
  const work = new WorkInTurn({ engine, assertFit, ended });
  const runs = { engine, work, actor, ended };
  const by = (person: PersonRequest = {}): PersonRequest => ({ actor, ...person });

  function run(which: "all" | readonly string[], options?: RunOptions): Promise<RunsHandle>;
  function run(which: string, options?: RunOptions): Promise<RunHandle>;
  async function run(
    which: string | readonly string[],
    options: RunOptions = {},
  ): Promise<RunHandle | RunsHandle> {
    if (typeof which === "string" && which !== "all") return openRun(runs, which, options);
    const names = typeof which === "string" ? engine.providers : which;
    return openRuns(runs, names, options);
  }

  const { records } = engine;
  const surface: Omit<Uee, typeof Symbol.asyncDispose | "close" | "changes" | "records"> = {
    providers: engine.providers,
    run,
    pause: (provider, person) => engine.pause(provider, by(person)),
    resume: (provider, person) => engine.resume(provider, by(person)),
    stop: (provider, person) => engine.stop(provider, by(person)),
    status: engine.status,
    runs: engine.runs,
    checkpoints: engine.checkpoints,
    history: engine.history,
    transitions: engine.transitions,
    schedules: engine.schedules,
    workers: engine.workers,
    permits: engine.permits,
    deadLetters: engine.deadLetters,
    kernelMetrics: engine.kernelMetrics,
    startWorker: engine.startWorker,
    cursor: records.changesEnd,
  };
  return {
    ...clearErrors(surface, closed.signal),
    records: {
      ...clearErrors({ get: records.get }, closed.signal),
      export: (provider, options) => clearIterable(() => records.export(provider, options), closed.signal),
    },
    changes: (options = {}) => followChanges(engine, options, ended),
    async close() {
      closed.abort(new UeeError("API_CLOSED"));
      await close();
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}
