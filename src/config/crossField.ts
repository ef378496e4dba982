/** Rules that involve several fields, and warnings for values that are valid but probably unintended. */
import { effectiveRate } from "./effectiveRate.ts";
import type { ProviderFacts } from "./fields.ts";
import type { Config } from "./types.ts";
import { formatRate, type Rate, type RateSetting } from "./values.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function crossFieldNotes(config: Config, providers: readonly ProviderFacts[]) {
  return {
    problems: [...timeoutProblems(config), ...redisProblems(config)],
    warnings: [
      ...keyWarnings(config),
      ...tokenWarnings(config),
      ...providers.flatMap((provider) => rateWarnings(config, provider)),
      ...scaleWarnings(config, providers),
    ],
  };
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
  return ["REDIS_TLS_CA needs a REDIS_URL that starts with rediss:// or rediss+sentinel://."];
}

function keyWarnings({ nvdApiKey }: Config): string[] {
  if (nvdApiKey === undefined || uuid.test(nvdApiKey)) return [];
  return [
    "NVD_API_KEY does not look like a key of NVD (8-4-4-4-12 hex digits); NVD will probably refuse it.",
  ];
}

function tokenWarnings({ apiToken }: Config): string[] {
  if (apiToken === undefined || apiToken.length >= 16) return [];
  return ["UEE_API_TOKEN is short enough to be guessed; 32 random characters are better."];
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

function scaleWarnings(config: Config, providers: readonly ProviderFacts[]): string[] {
  const real = providers.filter(({ name }) => config.providers[name]?.url === undefined);
  if (config.waitScale >= 1 || real.length === 0) return [];
  return [
    `UEE_WAIT_SCALE below 1 is for tests: the upstreams of ${real.map(({ name }) => name).join(", ")} are real.`,
  ];
}
