/** All checks of doctor, in an order in which later checks use earlier answers. */
import { freemem } from "node:os";
import { BreakerStore } from "../../breakers/breakerStore.ts";
import { makeObserver } from "../../breakers/observer.ts";
import { effectiveRate, feedsUrlOf, type RateSetting } from "../../config/index.ts";
import { toUeeError } from "../../core/errors.ts";
import { fingerprint } from "../../core/secrets.ts";
import type { AnyProvider } from "../../providers/contract.ts";
import { providers } from "../../providers/registry.ts";
import { inspectRedis } from "../../redis/checks.ts";
import { readInfo } from "../../redis/info.ts";
import { makeKeys } from "../../redis/keys.ts";
import { redisMicros } from "../../redis/time.ts";
import { engineSettings } from "../../session/openMirror.ts";
import { makeUpstream } from "../../upstream/client.ts";
import type { Session } from "../context.ts";
import { formatBytes } from "../render/text.ts";
import { checkClock, checkFleet, type Finding, note, ok, predictFit, problem } from "./checks.ts";
import { checkUpstream } from "./upstreamCheck.ts";

export async function* examine(session: Session, env: NodeJS.ProcessEnv): AsyncGenerator<Finding> {
  yield* examineRedis(session);
  yield await examineClock(session);
  yield* checkFleet(await session.engine.status());
  if (session.keyless) {
    yield note(
      "key",
      "no NVD_API_KEY and no year feeds: 5 requests in 30 s, about 19 min for a first load of cve",
      "Unset UEE_CVE_FEEDS_URL, or ask for a key at nvd.nist.gov/developers/request-an-api-key: either makes that a few minutes.",
    );
  }
  const checks = providers.flatMap((provider) => upstreamsOf(session, provider));
  for (const check of checks.map((upstream) => examineUpstream(session, upstream, env))) yield await check;
}

async function* examineRedis(session: Session): AsyncGenerator<Finding> {
  const { redis } = session;
  const keys = makeKeys(session.config.prefix);
  const servers = await Promise.all(
    (await redis.servers()).map(async (server) => ({
      ...server,
      info: (await readInfo(server.redis)) ?? {},
    })),
  );
  for (const { name, info } of servers) {
    const used = formatBytes(Number(info.used_memory ?? 0));
    yield ok("redis", `${name}: Redis ${info.redis_version ?? "of unknown version"}, ${used} used`);
  }
  for (const { check, message } of await inspectRedis(session.redis)) {
    yield check === "rights"
      ? note(`redis ${check}`, message)
      : problem(`redis ${check}`, message, "Or set UEE_REDIS_CHECKS=off to skip this check.");
  }
  const { providers: states } = await session.engine.status();
  const present = new Map(states.map((one) => [one.provider, one.records]));
  for (const { name, info, serves } of servers) {
    // The expected sizes, for the providers that state one.
    const loads = providers.flatMap(({ name: provider, expected }) =>
      expected && serves(keys.provider(provider).tag) ? [{ provider, ...expected }] : [],
    );
    const memory = {
      usedMemory: Number(info.used_memory ?? 0),
      maxMemory: Number(info.maxmemory ?? 0),
      systemMemory: Number(info.total_system_memory ?? 0),
      ...(isHere(session) ? { freeMemory: freemem() } : {}),
    };
    const all = loads.map(({ provider }) => provider).join(", ") || "no provider";
    yield predictFit(loads, present, memory, redis.topology && `${name}: ${all}`);
  }
}

/** Several servers are as far off as the one whose clock differs most. */
async function examineClock({ redis: { servers } }: Session): Promise<Finding> {
  const clocks: { here: number; there: number }[] = [];
  for (const { redis } of await servers()) {
    const asked = Date.now();
    const there = (await redisMicros(redis)) / 1_000;
    // The midpoint between question and answer.
    clocks.push({ here: (asked + Date.now()) / 2, there });
  }
  const skew = (one: (typeof clocks)[number]): number => Math.abs(one.here - one.there);
  const { here, there } = clocks.sort((a, b) => skew(b) - skew(a))[0]!;
  return checkClock(here, there);
}

/** Redis on this machine shares its memory with all other processes here. */
const isHere = ({ redisUrl, localStore }: Session): boolean =>
  localStore !== undefined ||
  redisUrl.startsWith("unix:") ||
  /^rediss?:\/\/([^@/]*@)?(localhost|127\.|\[::1\])/.test(redisUrl);

/** An address that the engine asks, under its own limit and breaker. */
interface AskedUpstream {
  name: string;
  url: string;
  /** What is asked for, where that is not the address itself. */
  path?: string | undefined;
  query: Readonly<Record<string, string>>;
  apiKey: string | undefined;
  rate: RateSetting;
}

/** The upstream of a provider, and its feeds where they are used. */
function upstreamsOf({ config }: Session, { name, upstream }: AnyProvider): AskedUpstream[] {
  const own = engineSettings(config).providers[name] ?? {};
  const { defaultUrl, probe: query = {}, feeds } = upstream;
  const { apiKey } = own;
  const rate = effectiveRate(own, upstream, apiKey);
  const asked: AskedUpstream[] = [{ name, url: own.url ?? defaultUrl, query, apiKey, rate }];
  const feedsUrl = feedsUrlOf(upstream, own);
  if (feeds && feedsUrl !== undefined) {
    asked.push({
      ...{ name: `${name}-feeds`, url: feedsUrl, path: feeds.probe, query: {}, apiKey: undefined },
      rate: own.rate === "unlimited" ? own.rate : feeds.rate,
    });
  }
  return asked;
}

async function examineUpstream(
  session: Session,
  { name, url, path, query, apiKey, rate }: AskedUpstream,
  env: NodeJS.ProcessEnv,
): Promise<Finding> {
  const settings = engineSettings(session.config);
  const keys = makeKeys(settings.prefix);
  const redis = session.redis.of(keys.upstream(name).state);
  const store = new BreakerStore({
    ...{ upstream: name, redis, keys: keys.upstream(name) },
    actor: "doctor",
  });
  const upstream = makeUpstream({
    name,
    guard: makeObserver(store),
    settings: {
      rate,
      apiKeyFingerprint: fingerprint(apiKey),
      baseUrl: url,
    },
    redis,
    keys,
    logger: session.logger,
    timeouts: settings.timeouts,
    waitScale: settings.waitScale,
    inlineWaitMs: 1_000,
  });
  try {
    return await checkUpstream({
      upstream: name,
      url,
      path,
      query,
      apiKey,
      fetcher: (signal) => upstream.fetcher({ signal, onRequest: () => undefined }),
      env,
      timeoutMs: Math.min(30_000, session.config.totalTimeout),
    });
  } catch (error) {
    const { code, detail, remedy } = toUeeError(error);
    return problem(`upstream ${name}`, `${code}: ${detail}`, remedy);
  } finally {
    await upstream.close();
  }
}
