import { createServer as createSecureServer } from "node:https";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { cert, key } from "./certificate.ts";
import { failure, startServer, type TestServer, type TestUpstream, testUpstream, want } from "./support.ts";

let server: TestRedis;
let redis: Redis;
let web: TestServer;
let upstream: TestUpstream;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  web = await startServer((_request, response) => response.end("{}"));
});
afterAll(async () => {
  await web.close();
  await server.stop();
});
beforeEach(() => {
  web.arrivals.length = 0;
  web.answer = (_request, response) => response.end("{}");
  upstream = testUpstream(redis);
});
afterEach(() => upstream.close());

describe("an upstream that tells us to wait", () => {
  test("is obeyed by every process: the next request of another one is refused before it is sent", async () => {
    upstream = testUpstream(redis, { waitScale: 1, name: "shared" });
    const other = testUpstream(server.client(), { waitScale: 1, name: "shared" });
    web.answer = (_request, response) => response.writeHead(429, { "retry-after": "0" }).end("slow down");
    const error = await failure(upstream.get(want(web.url)));
    expect([error.code, error.class]).toEqual(["PROV_THROTTLED", "throttle"]);
    expect(error.retryAfterMs).toBeGreaterThan(29_000);
    expect(error.data).toMatchObject({ status: 429, url: `${web.url}/`, body: "slow down" });

    for (const one of [other, upstream]) {
      const refused = await failure(one.get(want(web.url)));
      expect(refused.code).toBe("PROV_THROTTLED");
      expect(refused.retryAfterMs).toBeGreaterThan(20_000);
    }
    expect(web.arrivals).toHaveLength(1);
    expect(other.counted()).toBe(0);
    const waiting = await other.waiting();
    expect(waiting).toMatchObject({ code: "PROV_THROTTLED", reason: "the upstream told us to wait" });
    expect(waiting!.untilMs - Number((await redis.time())[0]) * 1000).toBeGreaterThan(20_000);
    await other.close();
  });

  test("for a short time is waited out here, and the request then goes", async () => {
    upstream = testUpstream(redis, { waitScale: 0.01 });
    web.answer = (_request, response) => response.writeHead(429).end();
    await failure(upstream.get(want(web.url)));
    web.answer = (_request, response) => response.end("{}");
    const sentAt = web.arrivals[0]!.atMs;
    await upstream.get(want(web.url));
    expect(web.arrivals[1]!.atMs - sentAt).toBeGreaterThanOrEqual(300);
    expect(await upstream.waiting()).toBeNull();
  });

  test("does not hear from a request of this process that had its permission but was not on the wire yet", async () => {
    upstream = testUpstream(redis, { waitScale: 1 });
    let permitted = () => {};
    const hasPermission = new Promise<void>((resolve) => {
      permitted = resolve;
    });
    let goOn = () => {};
    const onRequest = () => {
      permitted();
      return new Promise<undefined>((resolve) => {
        goOn = () => resolve(undefined);
      });
    };
    const late = failure(
      upstream.fetcher({ signal: new AbortController().signal, onRequest }).fetch(want(web.url)),
    );
    await hasPermission;
    web.answer = (_request, response) => response.writeHead(403).end("administrative rules");
    const error = await failure(upstream.get(want(web.url)));
    expect([error.code, error.data.status]).toEqual(["PROV_FORBIDDEN", 403]);
    goOn();
    expect((await late).code).toBe("PROV_FORBIDDEN");
    expect(web.arrivals).toHaveLength(1);
  });

  test("because it is overloaded is left alone twice as long each time, and as before once it is well", async () => {
    upstream = testUpstream(redis, { waitScale: 0.01 });
    web.answer = (_request, response) => response.writeHead(503).end("<h1>503</h1>");
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) waits.push((await failure(upstream.get(want(web.url)))).retryAfterMs!);
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(20 * 2 ** i);
      expect(wait).toBeLessThanOrEqual(25 * 2 ** i);
    }
    web.answer = (_request, response) => response.end("{}");
    await upstream.get(want(web.url));
    web.answer = (_request, response) => response.writeHead(524).end("error code: 524");
    const after = await failure(upstream.get(want(web.url)));
    expect(after.data).toMatchObject({ status: 524, body: "error code: 524" });
    expect(after.retryAfterMs).toBeLessThanOrEqual(25);
  });

  test("with ten requests at once counts as overloaded once", async () => {
    upstream = testUpstream(redis, { waitScale: 1 });
    const waiting: (() => void)[] = [];
    web.answer = (_request, response) => {
      waiting.push(() => response.writeHead(503).end());
      if (waiting.length === 10) for (const answer of waiting) answer();
    };
    const errors = await Promise.all(Array.from({ length: 10 }, () => failure(upstream.get(want(web.url)))));
    for (const error of errors) expect(error.retryAfterMs).toBeLessThanOrEqual(2_500);
  });
});

describe("a configuration error", () => {
  test("makes no batch wait and keeps the key out of what it shows", async () => {
    upstream = testUpstream(redis, { headers: { apiKey: "0000-secret" } });
    web.answer = (request, response) =>
      response.writeHead(404, { message: `Invalid apiKey ${request.headers.apikey}` }).end();
    const error = await failure(upstream.get(want(`${web.url}/?apiKey=0000-secret`)));
    expect([error.code, error.class]).toEqual(["PROV_BAD_KEY", "configuration"]);
    expect(JSON.stringify([error.message, error.data])).not.toContain("0000-secret");
    expect(await upstream.waiting()).toBeNull();
  });

  test("of the page size carries the largest page allowed", async () => {
    web.answer = (_request, response) =>
      response.writeHead(404, { message: "resultsPerPage parameter cannot exceed 500." }).end();
    expect(await failure(upstream.get(want(web.url)))).toMatchObject({
      code: "PROV_PAGE_CAP",
      data: { cap: 500 },
    });
  });
});

describe("an address found in an answer", () => {
  test("is asked for with the user, password and query of the answer's own, at the same origin alone", async () => {
    const elsewhere = await startServer((_request, response) => response.end('{"here":1}'));
    web.answer = (_request, response) => response.end('{"url":"b.json"}');
    upstream = testUpstream(redis, { headers: { apiKey: "secret" } });
    const address = web.url.replace("://", "://user:pw@");
    const index = await upstream.get(want(`${address}/a/index.json?token=t`));
    await upstream.get(want("b.json", { foundIn: index }));
    await upstream.get(want(elsewhere.url, { foundIn: index })).finally(() => elsewhere.close());
    const authorization = `Basic ${Buffer.from("user:pw").toString("base64")}`;
    expect(web.arrivals.map(({ path, headers }) => [path, headers.authorization, headers.apikey])).toEqual([
      ["/a/index.json?token=t", authorization, "secret"],
      ["/a/b.json?token=t", authorization, "secret"],
    ]);
    const [away] = elsewhere.arrivals;
    expect([away?.path, away?.headers.authorization, away?.headers.apikey]).toEqual([
      "/",
      undefined,
      undefined,
    ]);
  });
});

describe("a redirect", () => {
  test("is a request of its own: counted, under a slot, without the key at another origin", async () => {
    const elsewhere = await startServer((_request, response) => response.end('{"here":1}'));
    upstream = testUpstream(redis, {
      headers: { apiKey: "secret" },
      name: "redirecting",
      settings: { rate: { max: 3, windowMs: 60_000 }, apiKeyFingerprint: "x", baseUrl: web.url },
    });
    web.answer = (request, response) => {
      const to = request.url === "/" ? "/next" : elsewhere.url;
      response.writeHead(302, { location: to }).end("moved");
    };
    const got = await upstream.get(want(web.url));
    expect(got.body.toString()).toBe('{"here":1}');
    expect(got.url).toBe(`${elsewhere.url}/`);
    expect(web.arrivals.map(({ path, headers }) => [path, headers.apikey])).toEqual([
      ["/", "secret"],
      ["/next", "secret"],
    ]);
    expect(elsewhere.arrivals.map(({ headers }) => headers.apikey)).toEqual([undefined]);
    expect(upstream.counted()).toBe(3);
    expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
    await elsewhere.close();
  });

  test("in a circle ends with PROV_REDIRECTS", async () => {
    web.answer = (request, response) =>
      response.writeHead(301, { location: request.url === "/" ? "/a" : "/" }).end();
    expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_REDIRECTS");
    expect(web.arrivals).toHaveLength(2);
  });
});

describe("a certificate", () => {
  test("that no authority signed is PROV_TLS, a matter of configuration, and no request", async () => {
    const secure = await startServer(
      (_request, response) => response.end("{}"),
      (listener) => createSecureServer({ key, cert }, listener),
    );
    const error = await failure(upstream.get(want(secure.url.replace("http:", "https:"))));
    await secure.close();
    expect([error.code, error.class]).toEqual(["PROV_TLS", "configuration"]);
    expect(upstream.counted()).toBe(0);
  });

  test("that is never shown, because the server speaks no TLS, is a failed connection and not a bad certificate", async () => {
    const error = await failure(upstream.get(want(web.url.replace("http:", "https:"))));
    expect(error.code).toBe("PROV_CONNECTION");
  });
});
