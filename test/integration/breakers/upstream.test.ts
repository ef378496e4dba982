/** The breaker around real exchanges: what reaches a web server, and what of it counts. */
import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import type { Breaker } from "../../../src/breakers/breaker.ts";
import { makeObserver } from "../../../src/breakers/observer.ts";
import { UeeError } from "../../../src/core/errors.ts";
import type { UpstreamOptions } from "../../../src/upstream/client.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";
import {
  failure,
  startServer,
  type TestServer,
  type TestUpstream,
  testUpstream,
  want,
} from "../upstream/support.ts";
import { ageOpening, fail, freshUpstream, moves, pod } from "./support.ts";

let server: TestRedis;
let redis: Redis;
let web: TestServer;
let name: string;
let a: { breaker: Breaker; upstream: TestUpstream };
let b: { breaker: Breaker; upstream: TestUpstream };
const open: (typeof a)[] = [];

function client(actor: string, over: Partial<UpstreamOptions> & { signal?: AbortSignal } = {}): typeof a {
  const breaker = pod(redis, name, actor);
  const made = { breaker, upstream: testUpstream(redis, { name, guard: breaker, ...over }) };
  open.push(made);
  return made;
}

const good = (_request: unknown, response: ServerResponse): unknown => response.end('{"ok":true}');
const status =
  (code: number, headers = {}) =>
  (_request: unknown, response: ServerResponse) =>
    response.writeHead(code, headers).end("no");
const page = (_request: unknown, response: ServerResponse): unknown =>
  response.end("<!DOCTYPE html><html></html>");
/** Head and a part of the body, then the connection breaks. */
const broken = (_request: unknown, response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
  response.write(`{"a":"${"x".repeat(1_000)}`, () => setTimeout(() => response.destroy(), 10));
};

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  web = await startServer(good);
});
afterAll(async () => {
  await web.close();
  await server.stop();
});
beforeEach(() => {
  name = freshUpstream();
  web.answer = good;
  web.arrivals.length = 0;
  a = client("pod-a");
  b = client("pod-b");
});
afterEach(async () => {
  for (const { upstream, breaker } of open.splice(0)) {
    await upstream.close();
    await breaker.close();
  }
});

const failures = async (): Promise<number> => (await a.breaker.store.view()).consecutiveFailures;
const state = async (): Promise<string> => (await a.breaker.store.view()).state;

/** Opened by failures, its time over. */
async function due(): Promise<void> {
  await fail(a.breaker, 5);
  await ageOpening(redis, name);
}

async function readAll(body: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of body) size += chunk.length;
  return size;
}

describe("what counts as a failure", () => {
  test.each([
    ["500", status(500)],
    ["503 without a time", status(503)],
    ["524", status(524)],
    ["408", status(408)],
    ["a web page", page],
    ["an empty answer", (_request: unknown, response: ServerResponse) => response.end()],
    [
      "a connection reset before the head",
      (_request: unknown, response: ServerResponse) => response.destroy(),
    ],
    ["a body that breaks off", broken],
  ])("%s does", async (_what, answer) => {
    web.answer = answer;
    await failure(a.upstream.get(want(web.url)));
    expect(web.arrivals.length).toBe(1);
    expect(await failures()).toBe(1);
  });

  test.each([
    ["429", status(429)],
    ["429 with Retry-After", status(429, { "retry-after": "1" })],
    ["403", status(403)],
    ["503 with Retry-After", status(503, { "retry-after": "1" })],
    ["401", status(401)],
    ["404", status(404)],
    ["400", status(400)],
    ["a redirect in a circle", status(302, { location: "/" })],
  ])("%s does not, nor does it set the count back", async (_what, answer) => {
    await fail(b.breaker, 3);
    web.answer = answer;
    await failure(a.upstream.get(want(web.url)));
    await a.breaker.close();
    expect(web.arrivals.length).toBe(1);
    expect(await failures()).toBe(3);
  });

  test("a page larger than asked for does not: it is to be asked for in smaller ones", async () => {
    web.answer = (_request, response) => response.end(`"${"x".repeat(5_000)}"`);
    const error = await failure(
      a.upstream.get(want(web.url, { maxBytes: 100, tooLargeCode: "PROV_PAGE_TOO_LARGE" })),
    );
    expect(error.code).toBe("PROV_PAGE_TOO_LARGE");
    expect(await failures()).toBe(0);
  });

  test("a server that cannot be connected to, five times; then it is not even tried to", async () => {
    const gone = await startServer(good);
    await gone.close();
    for (let i = 0; i < 5; i++)
      expect((await failure(a.upstream.get(want(gone.url)))).code).toBe("PROV_CONNECTION");
    expect((await failure(a.upstream.get(want(gone.url)))).code).toBe("PROV_CIRCUIT_OPEN");
    expect(a.upstream.counted()).toBe(0);
    expect((await a.breaker.store.view()).lastFailure?.message).toMatch(/ECONNREFUSED/);
  });

  test("streamed bodies too: head and body are one call, and it ends when the body does", async () => {
    web.answer = broken;
    for (let i = 0; i < 5; i++) {
      const answer = await a.upstream.open(want(web.url));
      expect(await failures()).toBe(i);
      expect((await failure(readAll(answer.body))).code).toBe("PROV_TRUNCATED");
    }
    expect((await failure(a.upstream.open(want(web.url)))).code).toBe("PROV_CIRCUIT_OPEN");
    expect(web.arrivals.length).toBe(5);
  });

  test("a reader that leaves early says nothing, nor do aborts of ours", async () => {
    await fail(b.breaker, 3);
    const answer = await a.upstream.open(want(web.url));
    for await (const _chunk of answer.body) break;
    const abort = new AbortController();
    const aborting = client("pod-c", { signal: abort.signal });
    web.answer = () => {};
    const hanging = failure(aborting.upstream.get(want(web.url)));
    await until(() => web.arrivals.length === 2);
    abort.abort(new UeeError("RPC_LOCK_LOST"));
    expect((await hanging).code).toBe("RPC_LOCK_LOST");
    await a.breaker.close();
    expect(await failures()).toBe(3);
  });

  test("one call's time-out ends that call alone; the others go on", async () => {
    let finish = (): void => {};
    web.answer = (request, response) => {
      if (request.url === "/hangs") return;
      response.write('{"slow":');
      finish = () => response.end("true}");
    };
    const quick = client("pod-c", { timeouts: { headersMs: 150 } });
    const slow = quick.upstream.get(want(`${web.url}/slow`));
    await until(() => web.arrivals.length === 1);
    expect((await failure(quick.upstream.get(want(`${web.url}/hangs`)))).code).toBe("PROV_TIMEOUT");
    expect(await failures()).toBe(1);
    finish();
    expect((await slow).body.toString()).toBe('{"slow":true}');
    await quick.breaker.close();
    expect(await failures()).toBe(0);
  });

  test("a hundred calls in flight at once are all counted by what they came to, none refused for want of room", async () => {
    const held: ServerResponse[] = [];
    web.answer = (_request, response) => held.push(response);
    const calls = Array.from({ length: 100 }, () => a.upstream.get(want(web.url)));
    await until(() => held.length === 100);
    for (const response of held) response.end("{}");
    await Promise.all(calls);
    await a.breaker.close();
    expect((await a.breaker.store.view()).counts).toMatchObject({ calls: 100, successes: 100, failures: 0 });
  });
});

describe("while it is open", () => {
  test("nothing reaches the upstream, from any pod, and nothing is counted as sent", async () => {
    await fail(a.breaker, 5);
    for (const { upstream } of [a, b, client("pod-new")]) {
      const error = await failure(upstream.get(want(web.url)));
      expect(error.code).toBe("PROV_CIRCUIT_OPEN");
      expect(upstream.counted()).toBe(0);
    }
    expect(web.arrivals.length).toBe(0);
  });

  test("a call that was waiting for the rate window when it opened is not sent either", async () => {
    const rate = { max: 1, windowMs: 1_000 };
    const settings = { rate, apiKeyFingerprint: "none", baseUrl: web.url };
    const limited = client("pod-c", { settings });
    await limited.upstream.get(want(web.url));
    const waiting = failure(limited.upstream.get(want(web.url)));
    await fail(a.breaker, 5);
    expect((await waiting).code).toBe("PROV_CIRCUIT_OPEN");
    expect(web.arrivals.length).toBe(1);
    expect(limited.upstream.counted()).toBe(1);
  });

  test("a body that was already being read is read to its end, and closes nothing", async () => {
    let finish = (): void => {};
    web.answer = (_request, response) => {
      response.write('{"slow":');
      finish = () => response.end("true}");
    };
    const slow = b.upstream.get(want(web.url));
    await until(() => web.arrivals.length === 1);
    await fail(a.breaker, 5);
    finish();
    expect((await slow).body.toString()).toBe('{"slow":true}');
    await b.breaker.close();
    expect(await state()).toBe("open");
  });
});

describe("the probe", () => {
  test("is one request, however many pods ask; the others get through when its whole body has come", async () => {
    await due();
    let finish = (): void => {};
    web.answer = (_request, response) => {
      response.write('{"ok":');
      finish = () => response.end("true}");
    };
    const ends: string[] = [];
    const asked = [a, b, a, b, client("pod-c")].map(({ upstream }) =>
      upstream
        .get(want(web.url))
        .then(
          () => "answered",
          (error: UeeError) => error.code,
        )
        .then((end) => ends.push(end)),
    );
    await until(() => web.arrivals.length > 0 && ends.length === 4);
    expect(new Set(ends)).toEqual(new Set(["PROV_CIRCUIT_OPEN"]));
    expect(await state()).toBe("half_open");
    finish();
    await Promise.all(asked);
    expect(ends.at(-1)).toBe("answered");
    expect(web.arrivals.length).toBe(1);
    expect(await state()).toBe("closed");
    web.answer = good;
    await b.upstream.get(want(web.url));
    expect(web.arrivals.length).toBe(2);
  });

  test.each([
    ["a failing head", status(500)],
    ["a body that breaks off", broken],
    ["no answer at all", () => {}],
  ] as const)("opens it again after %s: one request a time", async (_what, answer) => {
    await fail(a.breaker, 5);
    web.answer = answer;
    const prober = client("pod-c", { timeouts: { headersMs: 200, idleMs: 200 } });
    for (let i = 1; i <= 3; i++) {
      await ageOpening(redis, name);
      await failure(prober.upstream.get(want(web.url)));
      for (const { upstream } of [a, b, prober]) {
        expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_CIRCUIT_OPEN");
      }
      expect(web.arrivals.length).toBe(i);
      expect(await a.breaker.store.view()).toMatchObject({ state: "open", failedProbes: i });
    }
  });

  test("may follow redirects, and a 304 is as good an answer as any", async () => {
    await due();
    web.answer = (request, response) =>
      request.url === "/there" ? response.end("{}") : response.writeHead(302, { location: "/there" }).end();
    await a.upstream.get(want(`${web.url}/here`));
    expect(await state()).toBe("closed");

    await due();
    web.answer = status(304);
    await b.upstream.get(want(web.url, { headers: { "if-none-match": '"1"' } }));
    expect(await state()).toBe("closed");
  });

  test("that is told to wait closes nothing; the fleet waits as told, and no token is taken before that", async () => {
    await due();
    web.answer = status(429, { "retry-after": "20" });
    const patient = client("pod-c", { waitScale: 1, inlineWaitMs: 100 });
    expect((await failure(patient.upstream.get(want(web.url)))).code).toBe("PROV_THROTTLED");
    expect(await a.breaker.store.view()).toMatchObject({ state: "open", failedProbes: 0, probe: null });
    await ageOpening(redis, name);
    const so = await moves(a.breaker);
    expect(so.at(-1)).toBe("half_open→open probe_void");
    for (const { upstream } of [patient, client("pod-d", { inlineWaitMs: 100 })]) {
      expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_THROTTLED");
    }
    expect(web.arrivals.length).toBe(1);
    expect(await moves(a.breaker)).toEqual(so);
  });

  test("with a wrong key closes nothing, and says what is wrong", async () => {
    await due();
    web.answer = status(401);
    expect((await failure(a.upstream.get(want(web.url)))).code).toBe("PROV_BAD_KEY");
    expect(await a.breaker.store.view()).toMatchObject({ state: "open", failedProbes: 0 });
  });

  test("whose reader neither reads nor lets go has failed when its time is up", async () => {
    await due();
    const breaker = pod(redis, name, "pod-forgetful", { probeLimitMs: 300 });
    const forgetful = testUpstream(redis, { name, guard: breaker });
    open.push({ breaker, upstream: forgetful });
    web.answer = (_request, response) => response.write('{"unread":');
    const answer = await forgetful.open(want(web.url));
    await until(async () => (await state()) === "open");
    expect((await a.breaker.store.view()).failedProbes).toBe(1);
    expect((await failure(readAll(answer.body))).code).toBe("PROV_TIMEOUT");
    expect(await state()).toBe("open");
  });
});

describe("who asks out of curiosity, as doctor does,", () => {
  const curious = (): TestUpstream => {
    const upstream = testUpstream(redis, { name, guard: makeObserver(a.breaker.store) });
    open.push({ breaker: pod(redis, name, "curious"), upstream });
    return upstream;
  };

  test("counts for nothing while the breaker is closed: it may be its own network that is broken", async () => {
    await fail(a.breaker, 4);
    const asks = curious();
    web.answer = (_request, response) => response.destroy();
    for (let i = 0; i < 3; i++) expect((await failure(asks.get(want(web.url)))).code).toBe("PROV_CONNECTION");
    web.answer = good;
    await asks.get(want(web.url));
    expect(await a.breaker.store.view()).toMatchObject({ state: "closed", consecutiveFailures: 4 });
    expect(web.arrivals.length).toBe(4);
  });

  test("sends nothing while it is open or half open, takes no token, and learns what failed last", async () => {
    await due();
    const asks = curious();
    const error = await failure(asks.get(want(web.url)));
    expect(error).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    expect(error.message).toContain("PROV_CONNECTION: failure 5");
    web.answer = () => {};
    const probe = failure(a.upstream.get(want(web.url)));
    await until(() => web.arrivals.length === 1);
    expect((await failure(asks.get(want(web.url)))).message).toContain("half open: pod-a");
    expect(web.arrivals.length).toBe(1);
    await a.upstream.close();
    expect((await probe).code).toBe("SYS_SHUTDOWN");
  });
});
