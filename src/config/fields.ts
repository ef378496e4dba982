/**
 * Every setting of UEE: type and bounds, default, unit, description and names. A new setting needs one line here:
 * file key, environment variable, flag, `uee config` and docs/config.md follow from it.
 */
import { z } from "zod";
import { UeeError } from "../core/errors.ts";
import { type Provider, schedulesOf } from "../providers/contract.ts";
import { parseRedisUrl } from "../redis/url.ts";
import {
  apiKey,
  bytes,
  duration,
  factor,
  httpUrl,
  oneOf,
  rate,
  schedule,
  text,
  wholeNumber,
} from "./values.ts";

/** Facts about a field other than its type; kept as zod metadata. */
export interface FieldMeta {
  description: string;
  /** The environment variable. */
  env: string;
  unit?: string;
  /** The default as an operator writes it, or the meaning of its absence. */
  defaultText?: string;
  /** whole: never shown. url: shown without its password. */
  secret?: "whole" | "url";
}

const field = <Type extends z.ZodType>(type: Type, meta: FieldMeta): Type => type.meta({ ...meta });

const redisUrl = text().superRefine((url, context) => {
  try {
    parseRedisUrl(url);
  } catch (error) {
    const why = error instanceof UeeError ? error.detail.replace(/^REDIS_URL /, "") : "cannot be read";
    context.addIssue({ code: "custom", message: why });
  }
});

const commonFields = {
  redisUrl: field(redisUrl.optional(), {
    description:
      "Redis server of the queues and the mirror: redis://, rediss://, unix: or redis+sentinel:// (docs/redis.md).",
    env: "REDIS_URL",
    defaultText: "a local server, started under the data directory",
    secret: "url",
  }),
  redisTlsCa: field(text().optional(), {
    description: "PEM file of the private CA that signed the certificate of Redis.",
    env: "REDIS_TLS_CA",
    unit: "path",
    defaultText: "the CAs that Node trusts",
  }),
  redisChecks: field(oneOf(["on", "warn", "off"]).prefault("on"), {
    description:
      "Whether start-up refuses a Redis that evicts keys, persists nothing, is a replica or is too old.",
    env: "UEE_REDIS_CHECKS",
    unit: "on, warn or off",
  }),
  prefix: field(
    text()
      .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, "must be 1 to 64 letters, digits, dots, dashes or underscores")
      .prefault("uee"),
    {
      description: "Prefix of every key in Redis; two mirrors in one Redis need two prefixes.",
      env: "UEE_PREFIX",
    },
  ),
  dataDir: field(text().min(1).prefault(".uee"), {
    description: "Directory of the local Redis server's data.",
    env: "UEE_DATA_DIR",
    unit: "path",
  }),
  localRedisIdle: field(duration(100, 86_400_000).prefault("60s"), {
    description: "How long the local Redis server stays up without clients.",
    env: "UEE_LOCAL_REDIS_IDLE",
    unit: "duration",
  }),
  localRedisMaxMemory: field(bytes(16e6).optional(), {
    description:
      "Memory limit of the local Redis server; beyond it writes are refused and no data is dropped.",
    env: "UEE_LOCAL_REDIS_MAXMEMORY",
    unit: "bytes",
    defaultText: "75 % of this machine's memory",
  }),
  nvdApiKey: field(apiKey().optional(), {
    description: "API key of NVD: 50 requests in 30 s instead of 5. Request one at nvd.nist.gov.",
    env: "NVD_API_KEY",
    secret: "whole",
    defaultText: "none",
  }),
  concurrency: field(wholeNumber(1, 64).prefault("2"), {
    description: "Batches that one worker has in flight for each provider, including the prefetched one.",
    env: "UEE_CONCURRENCY",
    unit: "batches",
  }),
  inflightBytes: field(bytes(1e6).prefault("24MB"), {
    description: "Bytes of upstream data that one worker holds, fetched and not yet committed.",
    env: "UEE_INFLIGHT_BYTES",
    unit: "bytes",
  }),
  permits: field(wholeNumber(1, 4_096).prefault("10"), {
    description:
      "Batches that the whole fleet processes at once; initial size of a new permit pool, which `uee permits resize` changes.",
    env: "UEE_PERMITS",
    unit: "permits",
  }),
  errorRate: field(factor(0, 1).prefault("0.1"), {
    description: "Share of records that may fail permanently; beyond it the provider is paused.",
    env: "UEE_ERROR_RATE",
    unit: "share, 0 to 1",
  }),
  errorMinimum: field(wholeNumber(1, 1_000_000_000).prefault("200"), {
    description: "Records that must have been processed before the error rate counts.",
    env: "UEE_ERROR_MINIMUM",
    unit: "records",
  }),
  deadLetterLimit: field(wholeNumber(1, 10_000_000).prefault("10000"), {
    description: "Number of dead letters at which a provider is paused; none is ever dropped.",
    env: "UEE_DEAD_LETTER_LIMIT",
    unit: "dead letters",
  }),
  deadLetterBytes: field(bytes(1).prefault("256MB"), {
    description: "Raw bytes of bad records at which a provider is paused; none are ever dropped.",
    env: "UEE_DEAD_LETTER_BYTES",
    unit: "bytes",
  }),
  bufferRecords: field(wholeNumber(100, 10_000_000).prefault("10000"), {
    description:
      "Records fetched and not yet committed at which one worker counts as full; the optimizer acts at 80 % of it.",
    env: "UEE_BUFFER_RECORDS",
    unit: "records",
  }),
  changesLimit: field(wholeNumber(1_000, 1_000_000_000).prefault("1000000"), {
    description: "Length of each provider's change feed; older entries are trimmed.",
    env: "UEE_CHANGES_LIMIT",
    unit: "entries",
  }),
  schedules: field(oneOf(["on", "off"]).prefault("on"), {
    description:
      "Whether workers open runs on schedule; if processes differ, the one started last decides (docs/schedules.md).",
    env: "UEE_SCHEDULES",
    unit: "on or off",
  }),
  connectTimeout: field(duration(100, 600_000).prefault("10s"), {
    description: "Time to connect to an upstream.",
    env: "UEE_CONNECT_TIMEOUT",
    unit: "duration",
  }),
  headersTimeout: field(duration(100, 3_600_000).prefault("130s"), {
    description: "Time until an upstream's first byte; the gateway of NVD gives up after about 125 s.",
    env: "UEE_HEADERS_TIMEOUT",
    unit: "duration",
  }),
  idleTimeout: field(duration(100, 3_600_000).prefault("30s"), {
    description: "Longest silence inside an upstream's answer.",
    env: "UEE_IDLE_TIMEOUT",
    unit: "duration",
  }),
  totalTimeout: field(duration(100, 86_400_000).prefault("300s"), {
    description: "Time for an upstream's whole answer.",
    env: "UEE_TOTAL_TIMEOUT",
    unit: "duration",
  }),
  waitScale: field(factor(0, 100).prefault("1"), {
    description: "Multiplies throttle waits, retry and breaker delays; for tests only.",
    env: "UEE_WAIT_SCALE",
    unit: "factor",
  }),
  host: field(
    text()
      .regex(/^[\w.:-]{1,253}$/, "must be a host name or an address")
      .optional(),
    {
      description:
        "Address on which the dashboard listens. Without UEE_API_TOKEN only this machine's own addresses are possible.",
      env: "UEE_HOST",
      defaultText: "127.0.0.1; with UEE_API_TOKEN every address (0.0.0.0)",
    },
  ),
  port: field(wholeNumber(0, 65_535).prefault("8330"), {
    description: "Port on which the dashboard listens; 0 takes any that is free.",
    env: "UEE_PORT",
    unit: "port",
  }),
  apiToken: field(text().min(1).optional(), {
    description:
      "Token of the dashboard and its API, as bearer token and at login; use 32 random characters.",
    env: "UEE_API_TOKEN",
    secret: "whole",
    defaultText: "none: the dashboard serves this machine only",
  }),
  trustProxy: field(wholeNumber(0, 10).prefault("0"), {
    description:
      "Number of reverse proxies in front of the dashboard whose X-Forwarded-For, -Host and -Proto are trusted.",
    env: "UEE_TRUST_PROXY",
    unit: "proxies",
  }),
  healthPort: field(wholeNumber(0, 65_535).optional(), {
    description: "Port on which a worker answers GET /livez and /readyz; 0 takes any that is free.",
    env: "UEE_HEALTH_PORT",
    unit: "port",
    defaultText: "none",
  }),
  healthHost: field(
    text()
      .regex(/^[\w.:-]{1,253}$/, "must be a host name or an address")
      .optional(),
    {
      description: "Address of the health port.",
      env: "UEE_HEALTH_HOST",
      defaultText: "every address: probes come from outside the pod",
    },
  ),
  stopDeadline: field(duration(1_000, 3_600_000).prefault("25s"), {
    description:
      "Time for a graceful stop; after it the service exits and names the unfinished work. Keep the platform's grace period longer.",
    env: "UEE_STOP_DEADLINE",
    unit: "duration",
  }),
  logLevel: field(oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).prefault("info"), {
    description: "Lowest log level that is written.",
    env: "UEE_LOG_LEVEL",
    unit: "fatal, error, warn, info, debug, trace or silent",
  }),
  logFormat: field(oneOf(["auto", "json", "pretty"]).prefault("auto"), {
    description: "Format of log lines; auto is pretty on a terminal and json elsewhere.",
    env: "UEE_LOG_FORMAT",
    unit: "auto, json or pretty",
  }),
};

const commonSchema = z.strictObject(commonFields);

/** The properties of a provider that the configuration needs; a Provider has them. */
export interface ProviderFacts extends Pick<Provider, "kind" | "schedule"> {
  readonly name: string;
  readonly pageSize: number;
  readonly upstream: {
    readonly defaultUrl: string;
    readonly urlEnv: string;
    readonly rate: { max: number; windowMs: number };
    readonly rateWithKey?: { max: number; windowMs: number };
  };
}

const providerFields = (provider: ProviderFacts) => {
  const { name, kind, upstream, pageSize } = provider;
  const usual = schedulesOf(provider);
  const env = `UEE_${name.toUpperCase()}`;
  const per = (limit: { max: number; windowMs: number }) => `${limit.max}/${limit.windowMs / 1_000}s`;
  const withKey = upstream.rateWithKey ? `; with a key ${per(upstream.rateWithKey)}` : "";
  return {
    [`${name}Url`]: field(httpUrl().optional(), {
      description: `Address of the upstream of ${name}.`,
      env: upstream.urlEnv,
      unit: "http(s) URL",
      defaultText: upstream.defaultUrl,
    }),
    [`${name}Rate`]: field(rate().optional(), {
      description: `Requests of the whole fleet to the upstream of ${name} in any rolling window; or unlimited.`,
      env: `${env}_RATE`,
      unit: "requests/window",
      defaultText: `${per(upstream.rate)}${withKey}`,
    }),
    // A snapshot is fetched as a whole: it has no pages.
    ...(kind === "windowed"
      ? {
          [`${name}PageSize`]: field(wholeNumber(1, pageSize).optional(), {
            description: `Records of ${name} per request.`,
            env: `${env}_PAGE_SIZE`,
            unit: "records",
            defaultText: String(pageSize),
          }),
        }
      : {}),
    [`${name}Schedule`]: field(schedule().optional(), {
      description: `When an incremental run of ${name} opens automatically.`,
      env: `${env}_SCHEDULE`,
      unit: "interval, cron (UTC) or off",
      defaultText: usual.incremental,
    }),
    [`${name}FullSchedule`]: field(schedule().optional(), {
      description: `When a full run of ${name} opens automatically.`,
      env: `${env}_FULL_SCHEDULE`,
      unit: "interval, cron (UTC) or off",
      defaultText: usual.full,
    }),
  };
};

/** Field name → type, in the order of the documentation. */
export type Fields = Readonly<Record<string, z.ZodType>>;

export function allFields(providers: readonly ProviderFacts[]): Fields {
  return Object.assign({}, commonFields, ...providers.map(providerFields)) as Fields;
}

export type CommonConfig = z.output<typeof commonSchema>;

export const metaOf = (type: z.ZodType): FieldMeta => type.meta() as unknown as FieldMeta;

export const flagOf = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
