import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { parseJsonBytes } from "../../../src/core/json.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
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
  upstream = testUpstream(redis);
});
afterEach(() => upstream.close());

const json = JSON.stringify({ totalResults: 1, text: "x".repeat(5_000) });

describe("a good answer", () => {
  test.each([
    ["plain", undefined, Buffer.from(json)],
    ["gzip", "gzip", gzipSync(json)],
    ["deflate", "deflate", deflateSync(json)],
    ["brotli", "br", brotliCompressSync(json)],
  ])(
    "sent %s comes back decoded, with Redis' time and lower-case headers",
    async (_name, encoding, bytes) => {
      web.answer = (_request, response) => {
        response.setHeader("X-Thing", "a");
        if (encoding) response.setHeader("Content-Encoding", encoding);
        response.end(bytes);
      };
      const got = await upstream.get(want(`${web.url}/a?b=c`));
      expect(got.body.toString()).toBe(json);
      expect(got.status).toBe(200);
      expect(got.headers["x-thing"]).toBe("a");
      expect(got.url).toBe(`${web.url}/a?b=c`);
      const [seconds] = await redis.time();
      expect(Math.abs(got.fetchedAt / 1e6 - Number(seconds))).toBeLessThan(60);
      expect(web.arrivals[0]!.headers["accept-encoding"]).toBe("gzip");
      expect(upstream.counted()).toBe(1);
    },
  );

  test("is streamed with backpressure: a reader that pauses does not make the whole body pile up in memory", async () => {
    const total = 64 * 1024 * 1024;
    const piece = Buffer.alloc(64 * 1024, "1");
    let sent = 0;
    let stalled: () => void = () => {};
    const pausedByUs = new Promise<void>((resolve) => {
      stalled = resolve;
    });
    web.answer = async (_request, response) => {
      while (sent < total) {
        sent += piece.length;
        if (!response.write(piece)) {
          const timer = setTimeout(stalled, 1_000);
          await once(response, "drain");
          clearTimeout(timer);
        }
      }
      response.end();
    };
    const answer = await upstream.open(want(web.url, { maxBytes: 2 * total, expect: "binary" }));
    await pausedByUs;
    expect(sent).toBeLessThan(total / 2);
    let size = 0;
    for await (const chunk of answer.body) size += chunk.length;
    expect(size).toBe(total);
  });

  test("that says 304 to a conditional request comes back as 304 with an empty body", async () => {
    web.answer = (request, response) => {
      response.statusCode = request.headers["if-none-match"] === '"1"' ? 304 : 200;
      response.end();
    };
    const got = await upstream.get(want(web.url, { headers: { "if-none-match": '"1"' } }));
    expect([got.status, got.body.length]).toEqual([304, 0]);
  });

  test("leaves its connection open for those that follow", async () => {
    web.answer = (_request, response) => response.end("{}");
    let connections = 0;
    web.server.on("connection", () => connections++);
    for (let i = 0; i < 10; i++) await upstream.get(want(web.url));
    // undici rests a socket for one turn before it reuses it; a request in that very turn gets another.
    expect(connections).toBeLessThanOrEqual(2);
  });
});

describe("an odd but whole answer", () => {
  const header = (name: string, value: string) => (r: ServerResponse, body: Buffer | string) =>
    r.setHeader(name, value).end(body);
  const partial = (r: ServerResponse) =>
    r.writeHead(206, { "content-range": `bytes 0-${json.length - 1}/${json.length}` }).end(json);
  const answers: [string, (response: ServerResponse) => unknown][] = [
    ["is labelled with a charset as its encoding", (r) => header("content-encoding", "UTF-8")(r, json)],
    ["is labelled aws-chunked", (r) => header("content-encoding", "aws-chunked")(r, json)],
    [
      "is labelled aws-chunked and gzip",
      (r) => header("content-encoding", "gzip, aws-chunked")(r, gzipSync(json)),
    ],
    ["is labelled identity", (r) => header("content-encoding", "identity")(r, json)],
    ["is labelled none", (r) => header("content-encoding", "none")(r, json)],
    ["has an empty encoding", (r) => header("content-encoding", "")(r, json)],
    ["is labelled gzip and is not compressed", (r) => header("content-encoding", "gzip")(r, json)],
    [
      "is labelled gzip twice and compressed once",
      (r) => header("content-encoding", "gzip, gzip")(r, gzipSync(json)),
    ],
    [
      "is labelled gzip twice and compressed twice",
      (r) => header("content-encoding", "gzip, gzip")(r, gzipSync(gzipSync(json))),
    ],
    ["is labelled in capitals", (r) => header("Content-Encoding", "GZIP")(r, gzipSync(json))],
    ["is labelled deflate and is not compressed", (r) => header("content-encoding", "deflate")(r, json)],
    ["is labelled br and is not compressed", (r) => header("content-encoding", "br")(r, json)],
    ["is compressed with brotli", (r) => header("content-encoding", "br")(r, brotliCompressSync(json))],
    ["is compressed with deflate", (r) => header("content-encoding", "deflate")(r, deflateSync(json))],
    ["is gzip without a label", (r) => r.end(gzipSync(json))],
    ["has an odd content type", (r) => header("content-type", 'text/html; charset=x-unknown; a="b')(r, json)],
    ["comes with status 203", (r) => r.writeHead(203).end(json)],
    ["comes with status 206 and a range that covers everything", partial],
    ["begins with a byte order mark", (r) => r.end(`\uFEFF${json}`)],
  ];

  test.each(answers)("that %s is read", async (_name, reply) => {
    web.answer = (_request, response) => void reply(response);
    const got = await upstream.get(want(web.url));
    expect(got.status).toBe(200);
    expect(parseJsonBytes(got.body)).toEqual(JSON.parse(json));
  });
});

describe("a bad answer", () => {
  const answers: [string, string, (response: ServerResponse) => unknown][] = [
    ["an empty 200", "PROV_TRUNCATED", (r) => r.end()],
    ["an empty gzip body", "PROV_TRUNCATED", (r) => r.setHeader("content-encoding", "gzip").end()],
    [
      "a gzip that ends early",
      "PROV_TRUNCATED",
      (r) => r.setHeader("content-encoding", "gzip").end(gzipSync(json).subarray(0, 40)),
    ],
    [
      "a gzip with flipped bytes",
      "PROV_BAD_ENCODING",
      (r) => {
        const bytes = gzipSync(json);
        bytes.fill(0xff, 12, 24);
        r.setHeader("content-encoding", "gzip").end(bytes);
      },
    ],
    [
      "a body shorter than its content-length",
      "PROV_TRUNCATED",
      (r) => {
        r.setHeader("content-length", 9_000);
        r.write(json);
        setTimeout(() => r.destroy(), 20);
      },
    ],
    [
      "a chunked body that breaks off",
      "PROV_TRUNCATED",
      (r) => {
        r.write(json);
        setTimeout(() => r.destroy(), 20);
      },
    ],
    [
      "a web page",
      "PROV_HTML",
      (r) => r.setHeader("content-type", "application/json").end("\n <!DOCTYPE html><html>no</html>"),
    ],
    [
      "a page without doctype, gzipped",
      "PROV_HTML",
      (r) => r.setHeader("content-encoding", "gzip").end(gzipSync("<html><body>no")),
    ],
    [
      "a text labelled as a web page",
      "PROV_HTML",
      (r) => r.setHeader("content-type", "text/html").end("Blocked"),
    ],
    [
      "more bytes than allowed, said up front",
      "PROV_BODY_TOO_LARGE",
      (r) => r.end(Buffer.alloc(1_000_001, "1")),
    ],
    [
      "more bytes than allowed, chunk by chunk",
      "PROV_BODY_TOO_LARGE",
      (r) => {
        for (let i = 0; i < 40; i++) r.write(Buffer.alloc(50_000, "1"));
        r.end();
      },
    ],
    [
      "a small gzip that unpacks to more than allowed",
      "PROV_BODY_TOO_LARGE",
      (r) => r.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(30_000_000, "1"))),
    ],
    [
      "206 with a part of the document",
      "PROV_TRUNCATED",
      (r) => r.writeHead(206, { "content-range": "bytes 0-9/500" }).end(json.slice(0, 10)),
    ],
    ["204 where data is due", "PROV_TRUNCATED", (r) => r.writeHead(204).end()],
    ["304 to an unconditional request", "PROV_WRONG_SHAPE", (r) => r.writeHead(304).end()],
  ];
  test.each(answers)("of %s is %s, whether read whole or streamed", async (_name, code, answer) => {
    web.answer = (_request, response) => answer(response);
    expect((await failure(upstream.get(want(web.url)))).code).toBe(code);
    const streamed = upstream.open(want(web.url)).then(async ({ body }) => {
      for await (const _chunk of body);
    });
    const error = await failure(streamed);
    expect(error.code).toBe(code);
    expect(error.data.url).toBe(`${web.url}/`);
    expect(upstream.counted()).toBe(2);
  });

  test("larger than a page's bound asks for smaller pages where the caller says so", async () => {
    web.answer = (_request, response) => response.end(json);
    const error = await failure(
      upstream.get(want(web.url, { maxBytes: 10, tooLargeCode: "PROV_PAGE_TOO_LARGE" })),
    );
    expect(error.code).toBe("PROV_PAGE_TOO_LARGE");
  });

  test("that merely begins with XML is fine where XML is wanted, an XHTML page is not", async () => {
    const xml = '<?xml version="1.0"?><Weakness_Catalog/>';
    web.answer = (request, response) =>
      response.end(request.url === "/xml" ? xml : '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x"><html/>');
    expect((await upstream.get(want(`${web.url}/xml`, { expect: "xml" }))).body.toString()).toBe(xml);
    expect((await failure(upstream.get(want(web.url, { expect: "xml" })))).code).toBe("PROV_HTML");
  });

  test("that stops in mid-body is PROV_STALLED", async () => {
    upstream = testUpstream(redis, { timeouts: { idleMs: 100 } });
    web.answer = (_request, response) => response.write(json);
    expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_STALLED");
  });

  test("that never begins is PROV_TIMEOUT, and the fleet backs off", async () => {
    upstream = testUpstream(redis, { timeouts: { headersMs: 100 }, waitScale: 1 });
    web.answer = () => {};
    const error = await failure(upstream.get(want(web.url)));
    expect([error.code, error.class]).toEqual(["PROV_TIMEOUT", "overload"]);
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(2_000);
    expect((await upstream.waiting())?.code).toBe("PROV_OVERLOADED");
  });

  test("that trickles for ever ends at the total time-out", async () => {
    upstream = testUpstream(redis, { timeouts: { totalMs: 300, idleMs: 5_000 } });
    web.answer = (_request, response) => {
      const timer = setInterval(() => response.write("1"), 20);
      response.on("close", () => clearInterval(timer));
    };
    expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_TIMEOUT");
  });

  test("that is not HTTP at all is PROV_WRONG_SHAPE", async () => {
    const raw = createTcpServer((socket) => {
      socket.on("error", () => {}).once("data", () => socket.end("SSH-2.0-OpenSSH_9.6\r\n\r\n"));
    });
    raw.listen(0, "127.0.0.1");
    await once(raw, "listening");
    const { port } = raw.address() as AddressInfo;
    const error = await failure(upstream.get(want(`http://127.0.0.1:${port}/`)));
    raw.close();
    expect(error.code).toBe("PROV_WRONG_SHAPE");
  });
});

describe("no answer", () => {
  test("from a closed port is PROV_CONNECTION and no request", async () => {
    const error = await failure(upstream.get(want("http://127.0.0.1:1/")));
    expect([error.code, error.class]).toEqual(["PROV_CONNECTION", "transient"]);
    expect(upstream.counted()).toBe(0);
  });

  test("from a server that hangs up on the request is PROV_CONNECTION, one request, and none is sent again unasked", async () => {
    web.answer = (request) => request.socket.destroy();
    const error = await failure(upstream.get(want(web.url)));
    expect(error.code).toBe("PROV_CONNECTION");
    expect([upstream.counted(), web.arrivals.length]).toEqual([1, 1]);
  });

  test("from a host without address is PROV_CONNECTION", async () => {
    expect((await failure(upstream.get(want("http://nowhere.invalid/")))).code).toBe("PROV_CONNECTION");
  });

  test("to an address that is none is PROV_BAD_REQUEST", async () => {
    expect((await failure(upstream.get(want("nvd")))).code).toBe("PROV_BAD_REQUEST");
    expect((await failure(upstream.get(want("ftp://example.org/x")))).code).toBe("PROV_BAD_REQUEST");
  });
});

describe("an aborted batch", () => {
  test("throws the reason it was aborted with: while the answer is awaited, and in mid-body", async () => {
    const batch = new AbortController();
    upstream = testUpstream(redis, { signal: batch.signal });
    const reason = new Error("superseded");
    web.answer = () => batch.abort(reason);
    await expect(upstream.get(want(web.url))).rejects.toBe(reason);

    const second = new AbortController();
    upstream = testUpstream(redis, { signal: second.signal });
    web.answer = (_request, response) => response.write(json);
    const { body } = await upstream.open(want(web.url));
    const read = async () => {
      for await (const _chunk of body) second.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
  });

  test("ends its connection, and so does a reader that stops half-way", async () => {
    web.answer = (_request, response) => {
      const timer = setInterval(() => response.write("1".repeat(1_000)), 5);
      response.on("close", () => clearInterval(timer));
    };
    const closed = once(web.server, "request").then(([, response]) => once(response, "close"));
    const { body } = await upstream.open(want(web.url));
    for await (const _chunk of body) break;
    await closed;
  });

  test("that is aborted before it begins sends nothing", async () => {
    upstream = testUpstream(redis, { signal: AbortSignal.abort(new Error("early")) });
    await expect(upstream.get(want(web.url))).rejects.toThrow("early");
    expect(web.arrivals).toHaveLength(0);
  });
});

test("Closing the client ends what is under way with SYS_SHUTDOWN and closes its sockets", async () => {
  let open = 0;
  web.server.on("connection", (socket) => {
    open++;
    socket.on("close", () => open--);
  });
  web.answer = () => void upstream.close();
  expect((await failure(upstream.get(want(web.url)))).code).toBe("SYS_SHUTDOWN");
  await upstream.close();
  while (open > 0) await new Promise((resolve) => setImmediate(resolve));
});
