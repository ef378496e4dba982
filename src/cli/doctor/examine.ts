/** All checks of doctor, in an order in which later checks use earlier answers. */
import { freemem } from "node:os";
import { BreakerStore } from "../../breakers/breakerStore.ts";
import { makeObserver } from "../../breakers/observer.ts";
import { effectiveRate } from "../../config/index.ts";
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
      "no NVD_API_KEY: 5 requests in 30 s, about 19 min for a first load of cve",
      "Ask for one at nvd.nist.gov/developers/request-an-api-key; it makes that about 2 min.",
    );
  }
  const checks = providers.map((provider) => examineUpstream(session, provider, env));
  for (const check of checks) yield await check;
}

async function* examineRedis(session: Session): AsyncGenerator<Finding> {
  const info = (await readInfo(session.redis)) ?? {};
  const used = Number(info.used_memory ?? 0);
  yield ok(
    "redis",
    `${session.redisDisplay}: Redis ${info.redis_version ?? "of unknown version"}, ${formatBytes(used)} used`,
  );
  for (const { check, message } of await inspectRedis(session.redis)) {
    yield check === "rights"
      ? note(`redis ${check}`, message)
      : problem(`redis ${check}`, message, "Or set UEE_REDIS_CHECKS=off to skip this check.");
  }
  const { providers: states } = await session.engine.status();
  // The expected sizes, for the providers that state one.
  const load = providers.flatMap(({ name, expected }) => (expected ? [{ provider: name, ...expected }] : []));
  yield predictFit(load, new Map(states.map((one) => [one.provider, one.records])), {
    usedMemory: used,
    maxMemory: Number(info.maxmemory ?? 0),
    systemMemory: Number(info.total_system_memory ?? 0),
    ...(isHere(session) ? { freeMemory: freemem() } : {}),
  });
}

async function examineClock({ redis }: Session): Promise<Finding> {
  const asked = Date.now();
  const redisNow = await redisMicros(redis);
  // The midpoint between question and answer.
  return checkClock((asked + Date.now()) / 2, redisNow / 1_000);
}

/** Redis on this machine shares its memory with all other processes here. */
const isHere = ({ redisUrl, localStore }: Session): boolean =>
  localStore !== undefined ||
  redisUrl.startsWith("unix:") ||
  /^rediss?:\/\/([^@/]*@)?(localhost|127\.|\[::1\])/.test(redisUrl);

async function examineUpstream(
  session: Session,
  provider: AnyProvider,
  env: NodeJS.ProcessEnv,
): Promise<Finding> {
  const { name } = provider;
  const settings = engineSettings(session.config);
  const own = settings.providers[name] ?? {};
  const url = own.url ?? provider.upstream.defaultUrl;
  const keys = makeKeys(settings.prefix);
  const store = new BreakerStore({
    ...{ upstream: name, redis: session.redis, keys: keys.upstream(name) },
    actor: "doctor",
  });
  const upstream = makeUpstream({
    name,
    guard: makeObserver(store),
    settings: {
      rate: effectiveRate(own, provider.upstream, own.apiKey),
      apiKeyFingerprint: fingerprint(own.apiKey),
      baseUrl: url,
    },
    redis: session.redis,
    keys,
    logger: session.logger,
    timeouts: settings.timeouts,
    waitScale: settings.waitScale,
    inlineWaitMs: 1_000,
  });
  try {
    return await checkUpstream({
      provider: name,
      probe: provider.upstream.probe ?? {},
      url,
      apiKey: own.apiKey,
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
