import type { ScheduleSetting } from "../core/schedule.ts";
import type { CommonConfig, ProviderFacts } from "./fields.ts";
import type { RateSetting } from "./values.ts";

export interface ProviderConfig {
  /** Undefined: the provider's default. */
  readonly url: string | undefined;
  readonly rate: RateSetting | undefined;
  readonly pageSize: number | undefined;
  /** Intervals of incremental and full runs. */
  readonly schedule: ScheduleSetting | undefined;
  readonly fullSchedule: ScheduleSetting | undefined;
}

/** Durations in ms, sizes in bytes, paths absolute. Frozen. */
export type Config = Readonly<CommonConfig> & {
  readonly providers: Readonly<Record<string, ProviderConfig>>;
};

export interface Origin {
  readonly source: "default" | "file" | "environment" | "flag";
  /** The path of the file, or the name of the variable or flag; the field's name for defaults. */
  readonly name: string;
}

export interface LoadInput {
  /** Flags by field name, e.g. `{ redisUrl: "redis://…" }`, and `config`: the file. Other names are ignored. */
  argvFlags?: Readonly<Record<string, unknown>>;
  /** How messages name the values of `argvFlags`; default: as flags, `--redis-url`. */
  flagName?: (key: string) => string;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Default: the registry. */
  providers?: readonly ProviderFacts[];
}

export interface LoadedConfig {
  readonly config: Config;
  readonly origins: Readonly<Record<string, Origin>>;
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
  /** The file that was read. */
  readonly file: string | undefined;
}
