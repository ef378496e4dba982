/** What `connect` takes, and the configuration that comes of it. */
import { type Config, type LoadedConfig, loadConfig } from "../config/index.ts";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { didYouMean } from "../core/suggest.ts";
import type { AnyProvider } from "../providers/contract.ts";

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

const optionName = (key: string): string =>
  key === "redisUrl" || key === "prefix" || key === "config" ? `option ${key}` : `option settings.${key}`;

/** @throws UeeError SYS_CONFIG_INVALID */
export function configOf(options: ClientOptions): LoadedConfig {
  const { settings = {}, redisUrl, prefix, config, env, providers } = options;
  const loaded = loadConfig({
    argvFlags: { ...settings, redisUrl, prefix, config },
    flagName: optionName,
    ...(env === undefined ? {} : { env }),
    ...(providers === undefined ? {} : { providers }),
  });
  const known = Object.keys(loaded.origins);
  for (const name of Object.keys(settings)) {
    if (known.includes(name)) continue;
    throw new UeeError("SYS_CONFIG_INVALID", `There is no setting '${name}'.${didYouMean(name, known)}`);
  }
  return loaded;
}
