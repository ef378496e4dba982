/**
 * Every setting of UEE: its type and bounds, its default, its unit, a sentence about it and its names. One line here is
 * all that a new setting takes: file key, environment variable, flag, `uee config` and docs/config.md follow.
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

/** What is known of a field beside its type; kept as zod metadata. */
export interface FieldMeta {
  description: string;
  /** The environment variable. */
  env: string;
  unit?: string;
  /** Default as a person writes it; what absence means, where there is none. */
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
      "The Redis that holds queues and mirror: redis://, rediss://, unix: or redis+sentinel:// (docs/redis.md).",
    env: "REDIS_URL",
    defaultText: "a local server of our own, under the data directory",
    secret: "url",
  }),
  redisTlsCa: field(text().optional(), {
    description: "PEM file of the private CA that signed Redis' certificate.",
    env: "REDIS_TLS_CA",
    unit: "path",
    defaultText: "the CAs that Node trusts",
  }),
  redisChecks: field(oneOf(["on", "warn", "off"]).prefault("on"), {
    description:
      "Whether a Redis that evicts, keeps nothing on disk, is a replica or too old is refused at start.",
    env: "UEE_REDIS_CHECKS",
    unit: "on, warn or off",
  }),
  prefix: field(
    text()
      .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, "must be 1 to 64 letters, digits, dots, dashes or underscores")
      .prefault("uee"),
    {
      description: "Start of every key in Redis; two mirrors in one Redis need two prefixes.",
      env: "UEE_PREFIX",
    },
  ),
  dataDir: field(text().min(1).prefault(".uee"), {
    description: "Where the local Redis server keeps its data.",
    env: "UEE_DATA_DIR",
    unit: "path",
  }),
  localRedisIdle: field(duration(100, 86_400_000).prefault("60s"), {
    description: "How long the local Redis server stays when nobody is connected to it.",
    env: "UEE_LOCAL_REDIS_IDLE",
    unit: "duration",
  }),
  localRedisMaxMemory: field(bytes(16e6).optional(), {
    description:
      "The memory that the local Redis server may use; beyond it writes are refused, never data dropped.",
    env: "UEE_LOCAL_REDIS_MAXMEMORY",
    unit: "bytes",
    defaultText: "75 % of this machine's memory",
  }),
  nvdApiKey: field(apiKey().optional(), {
    description: "NVD's API key: 50 requests in 30 s instead of 5. Ask for one at nvd.nist.gov.",
    env: "NVD_API_KEY",
    secret: "whole",
    defaultText: "none",
  }),
  concurrency: field(wholeNumber(1, 64).prefault("2"), {
    description: "Batches that one worker has in flight for each provider, the prefetched one included.",
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
      "Batches that the whole fleet works on at once; seeds a new permit pool, what `uee permits resize` sets persists.",
    env: "UEE_PERMITS",
    unit: "permits",
  }),
  errorRate: field(factor(0, 1).prefault("0.1"), {
    description: "Share of records that may fail for good; beyond it the provider is paused.",
    env: "UEE_ERROR_RATE",
    unit: "share, 0 to 1",
  }),
  errorMinimum: field(wholeNumber(1, 1_000_000_000).prefault("200"), {
    description: "Records that must have been processed before the error rate counts.",
    env: "UEE_ERROR_MINIMUM",
    unit: "records",
  }),
  deadLetterLimit: field(wholeNumber(1, 10_000_000).prefault("10000"), {
    description: "Dead letters of a provider at which it is paused; none is ever dropped.",
    env: "UEE_DEAD_LETTER_LIMIT",
    unit: "dead letters",
  }),
  deadLetterBytes: field(bytes(1).prefault("256MB"), {
    description: "Raw bytes of a provider's bad records at which it is paused; none is ever dropped.",
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
      "Whether workers open runs by themselves; of processes that differ the one started last holds (docs/schedules.md).",
    env: "UEE_SCHEDULES",
    unit: "on or off",
  }),
  connectTimeout: field(duration(100, 600_000).prefault("10s"), {
    description: "Time to connect to an upstream.",
    env: "UEE_CONNECT_TIMEOUT",
    unit: "duration",
  }),
  headersTimeout: field(duration(100, 3_600_000).prefault("130s"), {
    description: "Time until an upstream's first byte; NVD's own gateway gives up after about 125 s.",
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
      "What the dashboard and its API ask for, as bearer token and at login; 32 random characters are a good one.",
    env: "UEE_API_TOKEN",
    secret: "whole",
    defaultText: "none: the dashboard serves this machine only",
  }),
  trustProxy: field(wholeNumber(0, 10).prefault("0"), {
    description: "Reverse proxies before the dashboard whose X-Forwarded-For, -Host and -Proto are believed.",
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
      defaultText: "every address: probes come from outside of a pod",
    },
  ),
  stopDeadline: field(duration(1_000, 3_600_000).prefault("25s"), {
    description:
      "Time that a service which was told to stop has for everything; then it ends and says what it left. Keep the platform's grace period longer.",
    env: "UEE_STOP_DEADLINE",
    unit: "duration",
  }),
  logLevel: field(oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).prefault("info"), {
    description: "The least level that is logged.",
    env: "UEE_LOG_LEVEL",
    unit: "fatal, error, warn, info, debug, trace or silent",
  }),
  logFormat: field(oneOf(["auto", "json", "pretty"]).prefault("auto"), {
    description: "How log lines look; auto is pretty on a terminal and json elsewhere.",
    env: "UEE_LOG_FORMAT",
    unit: "auto, json or pretty",
  }),
};

const commonSchema = z.strictObject(commonFields);

/** What configuration must know of a provider; a Provider is one. */
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
      description: `Requests to the upstream of ${name} in any rolling window, by the whole fleet; or unlimited.`,
      env: `${env}_RATE`,
      unit: "requests/window",
      defaultText: `${per(upstream.rate)}${withKey}`,
    }),
    // A snapshot comes whole: there are no pages to ask for.
    ...(kind === "windowed"
      ? {
          [`${name}PageSize`]: field(wholeNumber(1, pageSize).optional(), {
            description: `Records of ${name} to ask for at once.`,
            env: `${env}_PAGE_SIZE`,
            unit: "records",
            defaultText: String(pageSize),
          }),
        }
      : {}),
    [`${name}Schedule`]: field(schedule().optional(), {
      description: `When an incremental run of ${name} opens by itself.`,
      env: `${env}_SCHEDULE`,
      unit: "interval, cron (UTC) or off",
      defaultText: usual.incremental,
    }),
    [`${name}FullSchedule`]: field(schedule().optional(), {
      description: `When a full run of ${name} opens by itself.`,
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
