/** Merges defaults < file < environment < flags into one frozen configuration. All problems are reported together. */
import { resolve } from "node:path";
import { z } from "zod";
import { UeeError } from "../core/errors.ts";
import type { ScheduleSetting } from "../core/schedule.ts";
import { didYouMean } from "../core/suggest.ts";
import { providers as registered } from "../providers/registry.ts";
import {
  allFields,
  type CommonConfig,
  effectiveRate,
  type Fields,
  flagOf,
  metaOf,
  type ProviderFacts,
} from "./fields.ts";
import { type ConfigFile, readConfigFile } from "./file.ts";
import { formatRate, type Rate, type RateSetting } from "./values.ts";

export interface ProviderConfig {
  /** Undefined: the provider's default. */
  readonly url: string | undefined;
  /** An address or `off`. Undefined: the provider's default, or none where `url` is set. */
  readonly feedsUrl: string | undefined;
  readonly rate: RateSetting | undefined;
  readonly pageSize: number | undefined;
  /** Intervals of incremental and full runs. */
  readonly schedule: ScheduleSetting | undefined;
  readonly fullSchedule: ScheduleSetting | undefined;
  readonly reconcileSchedule: ScheduleSetting | undefined;
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

/** Variables that start with UEE_ and are no fields: read elsewhere, or reserved. */
const otherVariables = ["UEE_CONFIG", "UEE_INSTALL", "UEE_SHARED_DATA"];

/** @throws UeeError SYS_CONFIG_INVALID with all problems (also as `data.problems`) */
export function loadConfig(input: LoadInput = {}): LoadedConfig {
  const { argvFlags = {}, env = process.env, cwd = process.cwd(), providers = registered } = input;
  const flagName = input.flagName ?? flagOf;
  const fields = allFields(providers);
  const file = readConfigFile({ flag: argvFlags.config, flagName: flagName("config"), env, cwd });
  const { raw, origins } = merge(fields, { argvFlags, flagName, env, file });
  const problems = [...file.problems, ...unknownFileKeys(fields, file, providers)];

  const parsed = z.strictObject(fields).safeParse(raw);
  if (!parsed.success)
    problems.push(...parsed.error.issues.map((issue) => describeIssue(issue, fields, origins)));
  const warnings = unknownVariables(fields, env, providers);
  let config: Config | undefined;
  if (parsed.success) {
    config = shape(parsed.data, { providers, origins, cwd, file });
    problems.push(...timeoutProblems(config), ...redisProblems(config));
    warnings.push(...likelyMistakes(config, providers));
  }
  if (problems.length > 0 || config === undefined) {
    const list = problems.map((problem) => `\n  - ${problem}`).join("");
    throw new UeeError("SYS_CONFIG_INVALID", `The configuration is not valid:${list}`, {
      data: { problems },
    });
  }
  return Object.freeze({
    config,
    origins: Object.freeze(origins),
    warnings: Object.freeze(warnings),
    file: file.path,
  });
}

interface Sources {
  argvFlags: Readonly<Record<string, unknown>>;
  flagName: (key: string) => string;
  env: NodeJS.ProcessEnv;
  file: ConfigFile;
}

function merge(fields: Fields, { argvFlags, flagName, env, file }: Sources) {
  const raw: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const [key, type] of Object.entries(fields)) {
    const variable = metaOf(key, type).env;
    const fromEnv = env[variable]?.trim();
    if (argvFlags[key] !== undefined) {
      raw[key] = argvFlags[key];
      origins[key] = { source: "flag", name: flagName(key) };
    } else if (fromEnv) {
      // An empty variable counts as unset, as is usual in shells and compose files.
      raw[key] = fromEnv;
      origins[key] = { source: "environment", name: variable };
    } else if (file.values[key] !== undefined) {
      raw[key] = file.values[key];
      origins[key] = { source: "file", name: file.path ?? "" };
    } else {
      origins[key] = { source: "default", name: key };
    }
  }
  return { raw, origins };
}

function shape(
  values: Record<string, unknown>,
  context: {
    providers: readonly ProviderFacts[];
    origins: Record<string, Origin>;
    cwd: string;
    file: ConfigFile;
  },
): Config {
  const common: Record<string, unknown> = { ...values };
  const providers: Record<string, ProviderConfig> = {};
  for (const { name } of context.providers) {
    providers[name] = Object.freeze({
      url: values[`${name}Url`] as string | undefined,
      feedsUrl: values[`${name}FeedsUrl`] as string | undefined,
      rate: values[`${name}Rate`] as RateSetting | undefined,
      pageSize: values[`${name}PageSize`] as number | undefined,
      schedule: values[`${name}Schedule`] as ScheduleSetting | undefined,
      fullSchedule: values[`${name}FullSchedule`] as ScheduleSetting | undefined,
      reconcileSchedule: values[`${name}ReconcileSchedule`] as ScheduleSetting | undefined,
    });
    for (const suffix of [
      "Url",
      "FeedsUrl",
      "Rate",
      "PageSize",
      "Schedule",
      "FullSchedule",
      "ReconcileSchedule",
    ])
      delete common[`${name}${suffix}`];
  }
  for (const key of ["dataDir", "redisTlsCa"] as const) {
    const path = common[key];
    if (typeof path === "string") {
      const base = context.origins[key]?.source === "file" ? context.file.directory : context.cwd;
      common[key] = resolve(base, path);
    }
  }
  return Object.freeze({ ...(common as CommonConfig), providers: Object.freeze(providers) });
}

/** A page size for a snapshot is no typing error: the similar name of another provider would be a wrong suggestion. */
function pageSizeOfSnapshot(name: string, providers: readonly ProviderFacts[]): string | undefined {
  const snapshot = providers.find(
    ({ name: provider, kind }) =>
      kind === "snapshot" &&
      [`UEE_${provider.toUpperCase()}_PAGE_SIZE`, `${provider}PageSize`].includes(name),
  );
  return snapshot && ` The upstream of ${snapshot.name} is fetched whole; it has no pages.`;
}

function unknownFileKeys(fields: Fields, file: ConfigFile, providers: readonly ProviderFacts[]): string[] {
  return Object.keys(file.values)
    .filter((key) => !(key in fields))
    .map((key) => {
      const hint = pageSizeOfSnapshot(key, providers) ?? didYouMean(key, Object.keys(fields));
      return `${file.path}: there is no setting '${key}'.${hint}`;
    });
}

function unknownVariables(
  fields: Fields,
  env: NodeJS.ProcessEnv,
  providers: readonly ProviderFacts[],
): string[] {
  const known = [...Object.entries(fields).map(([key, type]) => metaOf(key, type).env), ...otherVariables];
  return Object.keys(env)
    .filter((name) => name.startsWith("UEE_") && !known.includes(name))
    .sort()
    .map((name) => {
      const hint = pageSizeOfSnapshot(name, providers) ?? didYouMean(name, known);
      return `${name} is not a variable of UEE and has no effect.${hint}`;
    });
}

function describeIssue(issue: z.core.$ZodIssue, fields: Fields, origins: Record<string, Origin>): string {
  const key = String(issue.path[0] ?? "");
  const origin = origins[key];
  const type = fields[key];
  if (!origin || !type) return issue.message;
  // The value itself is not repeated: it may be a secret in the wrong place.
  const where = origin.source === "file" ? `${origin.name}: ${key}` : origin.name;
  return `${where} ${issue.message}.`;
}

function timeoutProblems({ connectTimeout, headersTimeout, idleTimeout, totalTimeout }: Config): string[] {
  const parts = {
    UEE_CONNECT_TIMEOUT: connectTimeout,
    UEE_HEADERS_TIMEOUT: headersTimeout,
    UEE_IDLE_TIMEOUT: idleTimeout,
  };
  return Object.entries(parts)
    .filter(([, ms]) => ms > totalTimeout)
    .map(([name, ms]) => `${name} (${ms} ms) must not exceed UEE_TOTAL_TIMEOUT (${totalTimeout} ms).`);
}

function redisProblems({ redisTlsCa, redisUrl }: Config): string[] {
  if (redisTlsCa === undefined || redisUrl?.startsWith("rediss")) return [];
  return [
    "REDIS_TLS_CA needs a REDIS_URL that starts with rediss://, rediss+sentinel:// or rediss+cluster://.",
  ];
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Warnings for values that are valid but probably unintended. */
function likelyMistakes(config: Config, providers: readonly ProviderFacts[]): string[] {
  const { nvdApiKey, apiToken, waitScale } = config;
  const warnings = providers.flatMap((provider) => rateWarnings(config, provider));
  if (nvdApiKey !== undefined && !uuid.test(nvdApiKey)) {
    const form = "NVD_API_KEY does not look like a key of NVD (8-4-4-4-12 hex digits)";
    warnings.push(`${form}; NVD will probably refuse it.`);
  }
  if (apiToken !== undefined && apiToken.length < 16) {
    warnings.push("UEE_API_TOKEN is short enough to be guessed; 32 random characters are better.");
  }
  const real = providers.filter(({ name }) => config.providers[name]?.url === undefined);
  if (waitScale < 1 && real.length > 0) {
    const names = real.map(({ name }) => name).join(", ");
    warnings.push(`UEE_WAIT_SCALE below 1 is for tests: the upstreams of ${names} are real.`);
  }
  return warnings;
}

const perSecond = (rate: Rate): number => rate.max / rate.windowMs;

function exceeds(rate: RateSetting, allowed: Rate): boolean {
  return rate === "unlimited" || rate.max > allowed.max || perSecond(rate) > perSecond(allowed);
}

/** Applies to the real upstream only: an operator who configures another address knows its limits. */
function rateWarnings(config: Config, provider: ProviderFacts): string[] {
  const own = config.providers[provider.name];
  if (!own?.rate || own.url !== undefined) return [];
  const allowed = effectiveRate({ ...own, rate: undefined }, provider.upstream, config.nvdApiKey);
  if (allowed === "unlimited" || !exceeds(own.rate, allowed)) return [];
  const name = `UEE_${provider.name.toUpperCase()}_RATE`;
  return [
    `${name}: ${formatRate(own.rate)} is more than ${provider.upstream.defaultUrl} allows (${formatRate(allowed)}); expect to be locked out.`,
  ];
}
