/** A web server that does as the test says, and an upstream client towards it. */
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Redis } from "ioredis";
import { isUeeError, type UeeError } from "../../../src/core/errors.ts";
import type { Fetcher, FetchRequest } from "../../../src/core/fetching.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { fingerprint } from "../../../src/core/secrets.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { makeUpstream, type Upstream, type UpstreamOptions } from "../../../src/upstream/client.ts";

export interface Arrival {
  path: string;
  headers: IncomingMessage["headers"];
  atMs: number;
}

export interface TestServer {
  url: string;
  arrivals: Arrival[];
  server: Server;
  /** What every request gets from now on. */
  answer: (request: IncomingMessage, response: ServerResponse) => unknown;
  close(): Promise<void>;
}

export async function startServer(
  answer: TestServer["answer"],
  make: (listener: RequestListener) => Server = createServer,
): Promise<TestServer> {
  const arrivals: Arrival[] = [];
  const server = make((request, response) => {
    arrivals.push({ path: request.url ?? "", headers: request.headers, atMs: performance.now() });
    void self.answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const self: TestServer = {
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

export interface TestUpstream extends Upstream {
  /** How often `onRequest` was called. */
  counted(): number;
  get: Fetcher["fetch"];
  open: Fetcher["stream"];
}

/** Every client has an upstream of its own in Redis unless `name` says otherwise. */
export function testUpstream(
  redis: Redis,
  options: Partial<UpstreamOptions> & { signal?: AbortSignal; headers?: Record<string, string> } = {},
): TestUpstream {
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

export const want = (url: string, more: Partial<FetchRequest> = {}): FetchRequest => ({
  url,
  maxBytes: 1_000_000,
  expect: "json",
  ...more,
});

/** The UeeError that the promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<UeeError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isUeeError(error)) throw new Error(`expected a UeeError, got ${String(error)}`, { cause: error });
  return error;
}
