/**
 * Every setting of UEE: type and bounds, default, unit, description and names. A new setting needs one line here:
 * file key, environment variable, flag, `uee config` and docs/config.md follow from it.
 */
import type { z } from "zod";
import { UeeError } from "../core/errors.ts";
import { type Provider, schedulesOf } from "../providers/contract.ts";
import { parseRedisUrl } from "../redis/url.ts";
import {
  apiKey,
  bytes,
  duration,
  factor,
  httpUrl,
  httpUrlOrOff,
  oneOf,
  type RateSetting,
  rate,
  schedule,
  text,
  wholeNumber,
} from "./values.ts";

/** Facts about a field other than its type; kept as zod metadata. */
export interface FieldMeta {
  description: string;
  /** The environment variable; default: UEE_ and the field's name. */
  env?: string;
  /** Default: that of its type. */
  unit?: string;
  /** The default as an operator writes it, or the meaning of its absence. */
  defaultText?: string;
  /** whole: never shown. url: shown without its password. */
  secret?: "whole" | "url";
}

type More = Omit<FieldMeta, "description">;

/** A setting with a default, in the notation of an operator. */
const setting = <Type extends z.ZodType>(type: Type, usual: string, description: string, more: More = {}) =>
  type.prefault(usual as z.input<Type>).meta({ unit: type.meta()?.unit, ...more, description });

/** A setting that may be absent. */
const optional = <Type extends z.ZodType>(type: Type, description: string, more: More) =>
  type.optional().meta({ unit: type.meta()?.unit, ...more, description });

const redisUrl = text().superRefine((url, context) => {
  try {
    parseRedisUrl(url);
  } catch (error) {
    const why = error instanceof UeeError ? error.detail.replace(/^REDIS_URL /, "") : "cannot be read";
    context.addIssue({ code: "custom", message: why });
  }
});

const prefix = text().regex(
  /^[A-Za-z0-9][\w.-]{0,63}$/,
  "must be 1 to 64 letters, digits, dots, dashes or underscores",
);
const hostName = text().regex(/^[\w.:-]{1,253}$/, "must be a host name or an address");
const port = () => wholeNumber(0, 65_535);
const onOff = () => oneOf(["on", "off"]);

const commonFields = {
  redisUrl: optional(
    redisUrl,
    "Redis of the queues and the mirror: redis://, rediss://, unix:, redis+sentinel:// or redis+cluster:// (docs/redis.md).",
    { env: "REDIS_URL", defaultText: "a local server, started under the data directory", secret: "url" },
  ),
  redisTlsCa: optional(text(), "PEM file of the private CA that signed the certificate of Redis.", {
    ...{ env: "REDIS_TLS_CA", unit: "path", defaultText: "the CAs that Node trusts" },
  }),
  redisChecks: setting(
    oneOf(["on", "warn", "off"]),
    "on",
    "Whether start-up refuses a Redis that evicts keys, persists nothing, is a replica or is too old.",
  ),
  prefix: setting(prefix, "uee", "Prefix of every key in Redis; two mirrors in one Redis need two prefixes."),
  dataDir: setting(text().min(1), ".uee", "Directory of the local Redis server's data.", { unit: "path" }),
  localRedisIdle: setting(
    duration(100, 86_400_000),
    "60s",
    "How long the local Redis server stays up without clients.",
  ),
  localRedisMaxMemory: optional(
    bytes(16e6),
    "Memory limit of the local Redis server; beyond it writes are refused and no data is dropped.",
    { env: "UEE_LOCAL_REDIS_MAXMEMORY", defaultText: "75 % of this machine's memory" },
  ),
  nvdApiKey: optional(
    apiKey(),
    "API key of NVD: 50 requests in 30 s instead of 5. Request one at nvd.nist.gov.",
    { env: "NVD_API_KEY", secret: "whole", defaultText: "none" },
  ),
  concurrency: setting(
    wholeNumber(1, 64, "batches"),
    "2",
    "Batches that one worker has in flight for each provider, including the prefetched one.",
  ),
  inflightBytes: setting(
    bytes(1e6),
    "24MB",
    "Bytes of upstream data that one worker holds, fetched and not yet committed.",
  ),
  permits: setting(
    wholeNumber(1, 4_096, "permits"),
    "10",
    "Batches that the whole fleet processes at once; initial size of a new permit pool, which `uee permits resize` changes.",
  ),
  errorRate: setting(
    factor(0, 1, "share, 0 to 1"),
    "0.1",
    "Share of records that may fail permanently; beyond it the provider is paused.",
  ),
  errorMinimum: setting(
    wholeNumber(1, 1_000_000_000, "records"),
    "200",
    "Records that must have been processed before the error rate counts.",
  ),
  deadLetterLimit: setting(
    wholeNumber(1, 10_000_000, "dead letters"),
    "10000",
    "Number of dead letters at which a provider is paused; none is ever dropped.",
  ),
  deadLetterBytes: setting(
    bytes(1),
    "256MB",
    "Raw bytes of bad records at which a provider is paused; none are ever dropped.",
  ),
  bufferRecords: setting(
    wholeNumber(100, 10_000_000, "records"),
    "10000",
    "Records fetched and not yet committed at which one worker counts as full; the optimizer acts at 80 % of it.",
  ),
  changesLimit: setting(
    wholeNumber(1_000, 1_000_000_000, "entries"),
    "1000000",
    "Length of each provider's change feed; older entries are trimmed.",
  ),
  schedules: setting(
    onOff(),
    "on",
    "Whether workers open runs on schedule; if processes differ, the one started last decides (docs/schedules.md).",
  ),
  connectTimeout: setting(duration(100, 600_000), "10s", "Time to connect to an upstream."),
  headersTimeout: setting(
    duration(100, 3_600_000),
    "130s",
    "Time until an upstream's first byte; the gateway of NVD gives up after about 125 s.",
  ),
  idleTimeout: setting(duration(100, 3_600_000), "30s", "Longest silence inside an upstream's answer."),
  totalTimeout: setting(duration(100, 86_400_000), "300s", "Time for an upstream's whole answer."),
  waitScale: setting(
    factor(0, 100, "factor"),
    "1",
    "Multiplies throttle waits, retry and breaker delays; for tests only.",
  ),
  host: optional(
    hostName,
    "Address on which the dashboard listens. Without UEE_API_TOKEN only this machine's own addresses are possible.",
    { defaultText: "127.0.0.1; with UEE_API_TOKEN every address (0.0.0.0)" },
  ),
  port: setting(port(), "8330", "Port on which the dashboard listens; 0 takes any that is free.", {
    unit: "port",
  }),
  apiToken: optional(
    text().min(1),
    "Token of the dashboard and its API, as bearer token and at login; use 32 random characters.",
    { secret: "whole", defaultText: "none: the dashboard serves this machine only" },
  ),
  trustProxy: setting(
    wholeNumber(0, 10, "proxies"),
    "0",
    "Number of reverse proxies in front of the dashboard whose X-Forwarded-For, -Host and -Proto are trusted.",
  ),
  publicUrl: optional(
    httpUrl(),
    "Address under which people reach the dashboard; links in messages begin with it.",
    {
      defaultText: "none: messages have no links",
    },
  ),
  webhookUrl: optional(
    httpUrl(),
    "Webhook that is told when a source is paused, failed, incomplete, stale, not equal to its feeds, or well again (docs/webhook.md).",
    { secret: "whole", defaultText: "none" },
  ),
  postgresUrl: optional(
    text().regex(/^postgres(ql)?:\/\//, "must be a URL such as postgres://user:password@host/database"),
    "Database of `uee sink postgres`.",
    { secret: "url", defaultText: "none" },
  ),
  serveHost: optional(
    hostName,
    "Address on which the NVD-compatible server listens. Without UEE_SERVE_TOKEN only this machine's own are possible.",
    { defaultText: "127.0.0.1; with UEE_SERVE_TOKEN every address (0.0.0.0)" },
  ),
  servePort: setting(
    port(),
    "8331",
    "Port on which the NVD-compatible server listens; 0 takes any that is free.",
    { unit: "port" },
  ),
  serveToken: optional(
    text().min(1),
    "Token of the NVD-compatible server: as NVD's apiKey (header or query), as bearer token or as password.",
    { secret: "whole", defaultText: "none: it serves this machine only" },
  ),
  serveMaxAge: optional(
    duration(1_000, 31_536_000_000),
    "Age of the last verification beyond which the NVD-compatible server answers 503.",
    { defaultText: "none" },
  ),
  healthPort: optional(
    port(),
    "Port on which a worker answers GET /livez and /readyz; 0 takes any that is free.",
    { unit: "port", defaultText: "none" },
  ),
  healthHost: optional(hostName, "Address of the health port.", {
    defaultText: "every address: probes come from outside the pod",
  }),
  stopDeadline: setting(
    duration(1_000, 3_600_000),
    "25s",
    "Time for a graceful stop; after it the service exits and names the unfinished work. Keep the platform's grace period longer.",
  ),
  logLevel: setting(
    oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]),
    "info",
    "Lowest log level that is written.",
  ),
  logFormat: setting(
    oneOf(["auto", "json", "pretty"]),
    "auto",
    "Format of log lines; auto is pretty on a terminal and json elsewhere.",
  ),
};

/** The properties of a provider that the configuration needs; a Provider has them. */
export interface ProviderFacts extends Pick<Provider, "kind" | "schedule"> {
  readonly name: string;
  readonly pageSize: number;
  readonly upstream: {
    readonly defaultUrl: string;
    readonly urlEnv: string;
    readonly rate: { max: number; windowMs: number };
    readonly rateWithKey?: { max: number; windowMs: number };
    readonly feeds?: {
      readonly defaultUrl: string;
      readonly urlEnv: string;
      readonly rate: { max: number; windowMs: number };
    };
  };
}

/** The effective rate: the setting, else the provider's default with or without an API key. */
export const effectiveRate = (
  { rate: own }: { readonly rate?: RateSetting | undefined },
  { rate: usual, rateWithKey }: ProviderFacts["upstream"],
  apiKey: string | undefined,
): RateSetting => own ?? (apiKey ? (rateWithKey ?? usual) : usual);

/**
 * Where an upstream's feeds are; undefined where they are off. Where only the upstream's own address is overridden, by a
 * simulator's or a mirror's, the default feeds are those of another upstream and are not used.
 */
export function feedsUrlOf(
  { feeds }: ProviderFacts["upstream"],
  own: { readonly url?: string | undefined; readonly feedsUrl?: string | undefined },
): string | undefined {
  if (feeds === undefined || own.feedsUrl === "off") return undefined;
  return own.feedsUrl ?? (own.url === undefined ? feeds.defaultUrl : undefined);
}

const providerFields = (provider: ProviderFacts) => {
  const { name, kind, upstream, pageSize } = provider;
  const usual = schedulesOf(provider);
  const per = (limit: { max: number; windowMs: number }) => `${limit.max}/${limit.windowMs / 1_000}s`;
  const withKey = upstream.rateWithKey ? `; with a key ${per(upstream.rateWithKey)}` : "";
  const pages = optional(wholeNumber(1, pageSize), `Records of ${name} per request.`, {
    ...{ unit: "records", defaultText: String(pageSize) },
  });
  return {
    [`${name}Url`]: optional(httpUrl(), `Address of the upstream of ${name}.`, {
      ...{ env: upstream.urlEnv, defaultText: upstream.defaultUrl },
    }),
    ...(upstream.feeds
      ? {
          [`${name}FeedsUrl`]: optional(
            httpUrlOrOff(),
            `Base address of the feeds of ${name}, with which full runs begin; off: the upstream is walked.`,
            {
              env: upstream.feeds.urlEnv,
              defaultText: `${upstream.feeds.defaultUrl}; off where ${upstream.urlEnv} is set`,
            },
          ),
        }
      : {}),
    [`${name}Rate`]: optional(
      rate(),
      `Requests of the whole fleet to the upstream of ${name} in any rolling window; or unlimited.`,
      { defaultText: `${per(upstream.rate)}${withKey}` },
    ),
    // A snapshot is fetched as a whole: it has no pages.
    ...(kind === "windowed" ? { [`${name}PageSize`]: pages } : {}),
    [`${name}Schedule`]: optional(schedule(), `When an incremental run of ${name} opens automatically.`, {
      defaultText: usual.incremental,
    }),
    ...(upstream.feeds
      ? {
          [`${name}ReconcileSchedule`]: optional(
            schedule(),
            `When the store of ${name} is compared with its feeds and repaired automatically.`,
            { defaultText: usual.reconcile },
          ),
        }
      : {}),
    [`${name}FullSchedule`]: optional(schedule(), `When a full run of ${name} opens automatically.`, {
      defaultText: usual.full,
    }),
  };
};

/** Field name → type, in the order of the documentation. */
export type Fields = Readonly<Record<string, z.ZodType>>;

export function allFields(providers: readonly ProviderFacts[]): Fields {
  return Object.assign({}, commonFields, ...providers.map(providerFields)) as Fields;
}

export type CommonConfig = z.output<z.ZodObject<typeof commonFields>>;

/** With the name of its environment variable. */
export function metaOf(key: string, type: z.ZodType): FieldMeta & { env: string } {
  const meta = type.meta() as unknown as FieldMeta;
  return { ...meta, env: meta.env ?? `UEE_${key.replace(/[A-Z]/g, "_$&").toUpperCase()}` };
}

export const flagOf = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
