/** Describes the configuration: the reference behind docs/config.md, and the effective values without secrets. */
import { formatSchedule } from "../core/schedule.ts";
import { redactRedisUrl, redactUrl, secretsInUrl, secretValues } from "../core/secrets.ts";
import { durationSetting } from "../core/time.ts";
import { schedulesOf } from "../providers/contract.ts";
import { providers as registered } from "../providers/registry.ts";
import { parseRedisUrl } from "../redis/url.ts";
import { allFields, effectiveRate, feedsUrlOf, flagOf, metaOf, type ProviderFacts } from "./fields.ts";
import type { Config, LoadedConfig, Origin } from "./load.ts";
import { formatRate, formatSize, type RateSetting } from "./values.ts";

export interface FieldDescription {
  /** Name in the file. */
  key: string;
  env: string;
  flag: string;
  /** Its unit or allowed values; empty for plain text. */
  unit: string;
  default: string;
  description: string;
  secret: boolean;
}

export function describeConfig(providers: readonly ProviderFacts[] = registered): FieldDescription[] {
  return Object.entries(allFields(providers)).map(([key, type]) => {
    const meta = metaOf(key, type);
    const { def } = type as { def?: { type?: string; defaultValue?: unknown } };
    return {
      key,
      env: meta.env,
      flag: flagOf(key),
      unit: meta.unit ?? "",
      default: meta.defaultText ?? String(def?.defaultValue ?? ""),
      description: meta.description,
      secret: meta.secret !== undefined,
    };
  });
}

/** Other environment variables that UEE reads: name → description. */
export const surroundings: Readonly<Record<string, string>> = {
  HTTPS_PROXY:
    "Proxy for https:// upstreams, as curl takes it: [http://][user:password@]host:port, also https://, socks5:// and socks5h://.",
  HTTP_PROXY: "Proxy for http:// upstreams.",
  ALL_PROXY: "Proxy for upstreams that neither of these names one for.",
  NO_PROXY:
    "What is reached without a proxy: names with their subdomains, addresses, CIDR blocks, or * for all.",
  NODE_EXTRA_CA_CERTS: "PEM file of further CAs that Node trusts, for upstreams and Redis alike.",
};

export interface ConfigRow {
  key: string;
  env: string;
  /** In the form that may be shown; null when nothing is set. Durations in ms, sizes in bytes. */
  value: string | number | null;
  /** The same as a person would write it: `30s`, `24MB`. */
  text: string | null;
  origin: Origin;
}

/** The effective configuration, row by row, redacted. */
export function redactedView(
  loaded: Pick<LoadedConfig, "config" | "origins">,
  env: NodeJS.ProcessEnv = process.env,
  providers: readonly ProviderFacts[] = registered,
): ConfigRow[] {
  const { config, origins } = loaded;
  const flat: Record<string, unknown> = { ...config };
  // Effective values are shown even when they are defaults: the provider's address, rate and page size.
  for (const provider of providers) {
    const { name, upstream, pageSize } = provider;
    const own = config.providers[name];
    const apiKey = upstream.rateWithKey === undefined ? undefined : config.nvdApiKey;
    flat[`${name}Url`] = own?.url ?? upstream.defaultUrl;
    flat[`${name}FeedsUrl`] = own?.feedsUrl ?? feedsUrlOf(upstream, own ?? {}) ?? "off";
    flat[`${name}Rate`] = formatRate(
      effectiveRate({ rate: own?.rate as RateSetting | undefined }, upstream, apiKey),
    );
    flat[`${name}PageSize`] = own?.pageSize ?? pageSize;
    const usual = schedulesOf(provider);
    flat[`${name}Schedule`] = own?.schedule ? formatSchedule(own.schedule) : usual.incremental;
    flat[`${name}FullSchedule`] = own?.fullSchedule ? formatSchedule(own.fullSchedule) : usual.full;
    flat[`${name}ReconcileSchedule`] = own?.reconcileSchedule
      ? formatSchedule(own.reconcileSchedule)
      : usual.reconcile;
  }
  const rows = Object.entries(allFields(providers)).map(([key, type]): ConfigRow => {
    const meta = metaOf(key, type);
    const value = shown(flat[key], meta.secret);
    return { key, env: meta.env, value, text: inUnit(value, meta.unit), origin: origins[key]! };
  });
  return [...rows, ...surroundingRows(env)];
}

function inUnit(value: ConfigRow["value"], unit: string | undefined): string | null {
  if (typeof value !== "number") return value;
  if (unit === "duration") return durationSetting(value);
  return unit === "bytes" ? formatSize(value) : String(value);
}

function shown(value: unknown, secret: "whole" | "url" | undefined): string | number | null {
  if (value === undefined || value === null) return null;
  if (secret === "whole") return "***";
  if (typeof value === "number") return value;
  return redactAddress(String(value));
}

/** Any address may contain credentials, of a proxy or an upstream as well as of Redis; other texts stay unchanged. */
function redactAddress(text: string): string {
  if (/^(?:rediss?(?:\+[a-z]+)?|unix):/i.test(text)) return redactRedisUrl(text);
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || text.includes("@") ? redactUrl(text) : text;
}

/** Shorter paths occur in ordinary text. */
const LEAST_PATH = 8;

/** The values of the configuration that must never be shown: secrets, and what any address contains of them. */
export function secretsOf(config: Config): string[] {
  const { providers, redisUrl, ...common } = config;
  const redis = redisUrl === undefined ? undefined : parseRedisUrl(redisUrl);
  const whole = Object.entries(allFields([]))
    .filter(([key, type]) => metaOf(key, type).secret === "whole")
    .map(([key]) => common[key as keyof typeof common] as string | undefined);
  const addresses = [common, ...Object.values(providers)].flatMap((values) =>
    Object.values(values).filter((value): value is string => /^[a-z][a-z0-9+.-]*:\/\//i.test(String(value))),
  );
  return [
    ...secretValues([
      ...whole,
      ...whole.flatMap(pathOf),
      redis?.password,
      redis?.sentinelPassword?.toString(),
    ]),
    ...addresses.flatMap(secretsInUrl),
  ];
}

/** In the address of a webhook the path is the secret, and may be quoted without its host. */
const pathOf = (value: string | undefined): string[] => {
  if (value === undefined || !URL.canParse(value)) return [];
  const { pathname, search } = new URL(value);
  return pathname.length >= LEAST_PATH ? [pathname, pathname + search] : [];
};

function surroundingRows(env: NodeJS.ProcessEnv): ConfigRow[] {
  const rows: ConfigRow[] = [];
  for (const name of Object.keys(surroundings)) {
    // Both spellings count; lower case takes precedence, as in curl and undici.
    const used = [name.toLowerCase(), name].find((spelling) => env[spelling]);
    const value = used === undefined ? null : redactAddress(env[used]!);
    const origin: Origin =
      used === undefined ? { source: "default", name } : { source: "environment", name: used };
    rows.push({ key: name, env: name, value, text: value, origin });
  }
  return rows;
}
