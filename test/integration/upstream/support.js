/** A web server that does as the test says, and an upstream client towards it. */
import { once } from "node:events";
import { createServer } from "node:http";
import { isUeeError } from "../../../src/core/errors.js";
import { silentLogger } from "../../../src/core/logger.js";
import { makeKeys } from "../../../src/redis/keys.js";
import { fingerprint, makeUpstream } from "../../../src/upstream/client.js";
export async function startServer(answer, make = createServer) {
  const arrivals = [];
  const server = make((request, response) => {
    arrivals.push({ path: request.url ?? "", headers: request.headers, atMs: performance.now() });
    void self.answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  const self = {
    url: `http://127.0.0.1:${port}`,
    arrivals,
    server,
    answer,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return self;
}
let upstreams = 0;
/** Every client has an upstream of its own in Redis unless `name` says otherwise. */
export function testUpstream(redis, options = {}) {
  const { signal = new AbortController().signal, headers, ...rest } = options;
  const upstream = makeUpstream({
    name: `test-${++upstreams}`,
    settings: { rate: "unlimited", apiKeyFingerprint: fingerprint(undefined), baseUrl: "http://127.0.0.1/" },
    redis,
    keys: makeKeys("uee-test"),
    logger: silentLogger(),
    waitScale: 0.001,
    ...rest,
  });
  let counted = 0;
  const fetcher = upstream.fetcher({
    signal,
    headers,
    onRequest: () => {
      counted++;
    },
  });
  return { ...upstream, counted: () => counted, get: fetcher.fetch, open: fetcher.stream };
}
export const want = (url, more = {}) => ({
  url,
  maxBytes: 1_000_000,
  expect: "json",
  ...more,
});
/** The UeeError that the promise rejects with. */
export async function failure(promise) {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  if (!isUeeError(error)) throw new Error(`expected a UeeError, got ${String(error)}`, { cause: error });
  return error;
}
