/** Merges defaults < file < environment < flags into one frozen configuration. All problems are reported together. */
import { resolve } from "node:path";
import { z } from "zod";
import { UeeError } from "../core/errors.ts";
import type { ScheduleSetting } from "../core/schedule.ts";
import { didYouMean } from "../core/suggest.ts";
import { providers as registered } from "../providers/registry.ts";
import { crossFieldNotes } from "./crossField.ts";
import { allFields, type CommonConfig, type Fields, flagOf, metaOf, type ProviderFacts } from "./fields.ts";
import { type ConfigFile, readConfigFile } from "./file.ts";
import type { Config, LoadedConfig, LoadInput, Origin, ProviderConfig } from "./types.ts";
import type { RateSetting } from "./values.ts";

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
    const notes = crossFieldNotes(config, providers);
    problems.push(...notes.problems);
    warnings.push(...notes.warnings);
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
    const variable = metaOf(type).env;
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
      rate: values[`${name}Rate`] as RateSetting | undefined,
      pageSize: values[`${name}PageSize`] as number | undefined,
      schedule: values[`${name}Schedule`] as ScheduleSetting | undefined,
      fullSchedule: values[`${name}FullSchedule`] as ScheduleSetting | undefined,
    });
    for (const suffix of ["Url", "Rate", "PageSize", "Schedule", "FullSchedule"])
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
  const known = [...Object.values(fields).map((type) => metaOf(type).env), ...otherVariables];
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
