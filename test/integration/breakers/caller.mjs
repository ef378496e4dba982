/**
 * One pod of built code that calls an upstream as often as its breaker lets it, three calls at a time, until it is killed.
 * argv: JSON {redisUrl, webUrl, upstream, prefix}. Prints a line for every call: `ok`, or the error's code.
 */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Breaker } from "../../../dist/breakers/breaker.js";
import { BreakerStore } from "../../../dist/breakers/breakerStore.js";
import { breakerPolicy } from "../../../dist/breakers/policy.js";
import { silentLogger } from "../../../dist/core/logger.js";
import { makeKeys } from "../../../dist/redis/keys.js";
import { makeUpstream } from "../../../dist/upstream/client.js";

const { redisUrl, webUrl, upstream: name, prefix } = JSON.parse(process.argv[2]);
const redis = new Redis(redisUrl, { retryStrategy: () => 50 });
redis.on("error", () => {});
const keys = makeKeys(prefix);
const logger = silentLogger();
const guard = new Breaker({
  store: new BreakerStore({
    upstream: name,
    redis,
    keys: keys.upstream(name),
    actor: `${hostname()}:${process.pid}`,
  }),
  policy: breakerPolicy,
  logger,
  probeLimitMs: 60_000,
});
const upstream = makeUpstream({
  ...{ name, redis, keys, logger, guard },
  settings: { rate: "unlimited", apiKeyFingerprint: "none", baseUrl: webUrl },
});
const fetcher = upstream.fetcher({ signal: new AbortController().signal, onRequest: () => undefined });

async function loop() {
  for (;;) {
    const said = await fetcher.fetch({ url: webUrl, maxBytes: 1_000, expect: "json" }).then(
      () => "ok",
      (error) => error.code,
    );
    console.log(said);
    await sleep(20);
  }
}
await Promise.all([loop(), loop(), loop()]);
