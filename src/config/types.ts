import type { ScheduleSetting } from "../core/schedule.ts";
import type { CommonConfig, ProviderFacts } from "./fields.ts";
import type { RateSetting } from "./values.ts";

export interface ProviderConfig {
  /** Undefined: the provider's own. */
  readonly url: string | undefined;
  readonly rate: RateSetting | undefined;
  readonly pageSize: number | undefined;
  /** Of incremental runs, and of full ones. */
  readonly schedule: ScheduleSetting | undefined;
  readonly fullSchedule: ScheduleSetting | undefined;
}

/** Durations in ms, sizes in bytes, paths absolute. Frozen. */
export type Config = Readonly<CommonConfig> & {
  readonly providers: Readonly<Record<string, ProviderConfig>>;
};

export interface Origin {
  readonly source: "default" | "file" | "environment" | "flag";
  /** The file's path, the variable's or the flag's name; for defaults the field's. */
  readonly name: string;
}

export interface LoadInput {
  /** Flags by field name, e.g. `{ redisUrl: "redis://…" }`, and `config`: the file. Other names are passed over. */
  argvFlags?: Readonly<Record<string, unknown>>;
  /** How complaints call what came with `argvFlags`; default: as flags, `--redis-url`. */
  flagName?: (key: string) => string;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Default: the registry. */
  providers?: readonly ProviderFacts[];
}

export interface LoadedConfig {
  readonly config: Config;
  readonly origins: Readonly<Record<string, Origin>>;
  /** Sentences for a person. */
  readonly warnings: readonly string[];
  /** The file that was read. */
  readonly file: string | undefined;
}
