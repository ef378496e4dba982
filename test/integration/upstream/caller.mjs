/**
 * One process of a fleet: sends requests through the built upstream client as fast as it is allowed to, three at a time,
 * until it is told to end or is killed. Arguments: directory of the built sources, Redis URL, web URL, JSON of
 * {rate, marginMs}. Prints a line for every request that came well.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Redis } from "ioredis";

const [dist, redisUrl, webUrl, json] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { makeUpstream } = await load("upstream/client.js");
const { fingerprint } = await load("core/secrets.js");
const { makeKeys } = await load("redis/keys.js");
const { silentLogger } = await load("core/logger.js");

const { rate, marginMs } = JSON.parse(json);
const redis = new Redis(redisUrl, { retryStrategy: () => 50 });
redis.on("error", () => {});
const upstream = makeUpstream({
  name: "window",
  settings: { rate, apiKeyFingerprint: fingerprint("same"), baseUrl: webUrl },
  redis,
  keys: makeKeys("uee-test"),
  logger: silentLogger(),
  inlineWaitMs: 60_000,
  marginMs,
});
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort(new Error("told to end")));
const fetcher = upstream.fetcher({ signal: stop.signal, onRequest: () => undefined });

async function loop() {
  while (!stop.signal.aborted) {
    try {
      await fetcher.fetch({ url: webUrl, maxBytes: 1_000, expect: "json" });
      console.log("ok");
    } catch (error) {
      if (stop.signal.aborted) return;
      console.log(`${error}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
await Promise.all([loop(), loop(), loop()]);
await upstream.close();
redis.disconnect();
