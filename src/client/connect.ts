/** The library: one call that finds the mirror as every command does, and what may be done with it. */
import { type Config, type LoadedConfig, loadConfig } from "../config/index.ts";
import { UeeError } from "../core/errors.ts";
import { type Logger, silentLogger } from "../core/logger.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Engine, PersonRequest } from "../engine/api.ts";
import type { AnyProvider } from "../providers/contract.ts";
import type { ChangeEntry } from "../records/contract.ts";
import { LocalWork } from "../session/localWork.ts";
import { type OpenMirror, openMirror } from "../session/openMirror.ts";
import { clearErrors, clearIterable } from "./clearErrors.ts";
import { type ChangesOptions, followChanges } from "./following.ts";
import { openRun, openRuns, type RunHandle, type RunOptions, type RunsHandle } from "./runs.ts";

/** Any setting of docs/config.md by its name there, as text or number; plain options of `connect` have their own place. */
export type ClientSettings = Readonly<
  Partial<Record<Exclude<keyof Config, "providers" | "redisUrl" | "prefix">, string | number>> &
    Record<string, string | number>
>;

export interface ClientOptions {
  /** Default: REDIS_URL, the configuration file; else the local store of the data directory where there is one. */
  redisUrl?: string;
  /** Default: UEE_PREFIX, the configuration file; else `uee`. */
  prefix?: string;
  /** Other settings by their names in docs/config.md, e.g. `{ cveUrl: "http://…", cveRate: "unlimited" }`. */
  settings?: ClientSettings;
  /** Configuration file; default: UEE_CONFIG, else `uee.config.json` of the working directory where there is one. */
  config?: string;
  /** Environment to read instead of the process's own; `{}` reads none. */
  env?: NodeJS.ProcessEnv;
  /** Default: the built-in ones. */
  providers?: readonly AnyProvider[];
  /** Default: nothing is logged. */
  logger?: Logger;
  /** Who acts, as `uee history` shows it. Default `library`. */
  actor?: string;
  /** How long to try to reach Redis at start, ms. Default 5,000. */
  connectTimeoutMs?: number;
  /** How long Redis may stay away while something is waited for or followed, ms. Default 120,000. */
  outageMs?: number;
  /** Calls the connecting off. */
  signal?: AbortSignal;
}

const OUTAGE_MS = 120_000;
const CONNECT_MS = 5_000;

/** What the library shows of the engine as it is. */
const shown = [
  ...(["providers", "status", "runs", "checkpoints", "history", "transitions", "schedules"] as const),
  ...(["workers", "permits", "deadLetters", "kernelMetrics", "startWorker"] as const),
];
type Shown = Pick<Engine, (typeof shown)[number]>;
type Actions = Pick<Engine, "pause" | "resume" | "stop">;

/** A mirror, connected. All methods reject with a UeeError: match on its `code`. */
export interface Uee extends Shown, Actions, AsyncDisposable {
  /** Opens runs of several providers or of `all`, or joins the open ones; those that are paused are refused alone. */
  run(providers: "all" | readonly string[], options?: RunOptions): Promise<RunsHandle>;
  /** Opens a run of one provider, or joins the open one. Rejects with PROV_PAUSED, PROV_UNKNOWN. */
  run(provider: string, options?: RunOptions): Promise<RunHandle>;
  readonly records: Pick<Engine["records"], "get" | "trace" | "export">;
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
    providers,
    signal,
  });
  return client(mirror, actor);
}

function client({ engine, lost, assertFit, close }: OpenMirror, actor: string): Uee {
  const closed = new AbortController();
  const ended = AbortSignal.any([lost, closed.signal]);
  const work = new LocalWork({ engine, assertFit, redisIsGone: () => ended.aborted });
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
    ...(Object.fromEntries(shown.map((name) => [name, engine[name]])) as Shown),
    run,
    pause: (provider, person) => engine.pause(provider, by(person)),
    resume: (provider, person) => engine.resume(provider, by(person)),
    stop: (provider, person) => engine.stop(provider, by(person)),
    cursor: records.changesEnd,
  };
  return {
    ...clearErrors(surface, closed.signal),
    records: {
      ...clearErrors({ get: records.get, trace: records.trace }, closed.signal),
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

const optionName = (key: string): string =>
  key === "redisUrl" || key === "prefix" || key === "config" ? `option ${key}` : `option settings.${key}`;

/** @throws UeeError SYS_CONFIG_INVALID */
function configOf(options: ClientOptions): LoadedConfig {
  const { settings = {}, redisUrl, prefix, config, env, providers } = options;
  const loaded = loadConfig({
    argvFlags: { ...settings, redisUrl, prefix, config },
    flagName: optionName,
    env,
    providers,
  });
  const known = Object.keys(loaded.origins);
  for (const name of Object.keys(settings)) {
    if (known.includes(name)) continue;
    throw new UeeError("SYS_CONFIG_INVALID", `There is no setting '${name}'.${didYouMean(name, known)}`);
  }
  return loaded;
}
