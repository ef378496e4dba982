/** The library: one call that finds the mirror as every command does, and what may be done with it. */
import { UeeError } from "../core/errors.ts";
import { silentLogger } from "../core/logger.ts";
import type { Engine, MachineStatus, PersonRequest } from "../engine/api.ts";
import { openEngine } from "../engine.ts";
import type { ChangeEntry } from "../records/contract.ts";
import { assertRedisFit } from "../redis/checks.ts";
import { connectRedis, type RedisConnections } from "../redis/connect.ts";
import { chooseRedis } from "../session/chooseRedis.ts";
import { engineSettings } from "../session/engineSettings.ts";
import { watchOutages } from "../session/outageWatch.ts";
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
  /** New batches stop at once, running ones at their next safe point. Stays until somebody resumes. */
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
 * Opens no worker unless asked, but for `run(…).wait()` while nobody else works.
 *
 * @throws UeeError SYS_CONFIG_INVALID, SYS_NO_STORE, SYS_REDIS_UNREACHABLE, SYS_REDIS_AUTH, SYS_SCHEMA_NEWER
 */
export async function connect(options: ClientOptions = {}): Promise<Uee> {
  const { config, warnings } = configOf(options);
  const { logger = silentLogger(), actor = "library", providers, signal, outageMs = OUTAGE_MS } = options;
  for (const warning of warnings) logger.warn({ event: "config" }, warning);
  const say = (message: string) => logger.warn({ event: "redis" }, message);
  const chosen = await chooseRedis({ redis: "existing", ...(signal ? { signal } : {}) }, config, say);
  const watch = watchOutages(outageMs, say);
  let redis: RedisConnections | undefined;
  try {
    redis = await connectRedis({
      url: chosen.url,
      name: "uee:library",
      timeoutMs: options.connectTimeoutMs ?? CONNECT_MS,
      onState: watch.onState,
      ...(config.redisTlsCa === undefined ? {} : { tlsCaFile: config.redisTlsCa }),
      ...(signal ? { signal } : {}),
    });
    const engine = await openEngine({
      settings: engineSettings(config, providers),
      redis,
      logger,
      ...(providers ? { providers } : {}),
    });
    const connections = redis;
    return client(engine, {
      actor,
      lost: watch.lost,
      assertFit: async () => {
        for (const { message } of await assertRedisFit(connections.commands, config.redisChecks)) {
          logger.warn({ event: "redis_check" }, `Redis: ${message}`);
        }
      },
      async close() {
        watch.close();
        await engine.close();
        await connections.close();
        await chosen.release();
      },
    });
  } catch (error) {
    watch.close();
    await redis?.close();
    await chosen.release();
    throw error;
  }
}

interface ClientParts {
  actor: string;
  lost: AbortSignal;
  assertFit: () => Promise<void>;
  close: () => Promise<void>;
}

function client(engine: Engine, { actor, lost, assertFit, close }: ClientParts): Uee {
  const closed = new AbortController();
  const ended = AbortSignal.any([lost, closed.signal]);
  const work = new WorkInTurn({ engine, assertFit, ended });
  const runs = { engine, work, actor, ended };
  const by = (person: PersonRequest = {}): PersonRequest => ({ actor, ...person });
  let closing: Promise<void> | undefined;

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
    close() {
      closed.abort(new UeeError("API_CLOSED"));
      closing ??= close();
      return closing;
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}
