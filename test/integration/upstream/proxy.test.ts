/** Requests through proxies of every kind, and proxies that refuse. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
} from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { makeDispatcher } from "../../../src/upstream/client.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { failure, startServer, type TestServer, type TestUpstream, testUpstream, want } from "./support.ts";

let server: TestRedis;
let redis: Redis;
let web: TestServer;
let upstream: TestUpstream | undefined;
const proxies: (Server | TcpServer)[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  web = await startServer((_request, response) => response.end('{"by":"upstream"}'));
});
afterAll(async () => {
  await web.close();
  await server.stop();
});
afterEach(async () => {
  await upstream?.close();
  for (const proxy of proxies.splice(0)) {
    (proxy as Partial<Server>).closeAllConnections?.();
    proxy.close();
  }
});

async function listen(proxy: Server | TcpServer): Promise<string> {
  proxies.push(proxy);
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

/** A client that takes its proxies from these variables alone. */
function through(env: Record<string, string>): TestUpstream {
  upstream = testUpstream(redis, { dispatcher: makeDispatcher({ connectMs: 1_000, env }) });
  return upstream;
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

describe("a proxy", () => {
  test("in HTTP_PROXY, without a scheme, carries the requests; NO_PROXY goes past it", async () => {
    const asked: unknown[] = [];
    const host = await listen(
      createServer((request, response) => {
        asked.push([request.url, request.headers["proxy-authorization"]]);
        response.end('{"by":"proxy"}');
      }),
    );
    const client = through({ HTTP_PROXY: `me:p%40ss@${host}`, NO_PROXY: "127.0.0.1" });
    expect((await client.get(want("http://nvd.invalid/x?y"))).body.toString()).toBe('{"by":"proxy"}');
    expect((await client.get(want(web.url))).body.toString()).toBe('{"by":"upstream"}');
    expect(asked).toEqual([["http://nvd.invalid/x?y", basic("me:p@ss")]]);
    expect(client.counted()).toBe(2);
  });

  test.each(["socks5", "socks5h"])("with the scheme %s carries the requests", async (scheme) => {
    const asked: string[] = [];
    const host = await listen(socksServer(asked));
    const client = through({ ALL_PROXY: `${scheme}://${host}` });
    const { port } = new URL(web.url);
    expect((await client.get(want(`http://nvd.invalid:${port}/`))).body.toString()).toBe('{"by":"upstream"}');
    expect(asked).toEqual([`nvd.invalid:${port}`]);
  });

  test("that wants a password of a plain request is a matter of the proxy's configuration", async () => {
    const host = await listen(createServer((_request, response) => response.writeHead(407).end()));
    const error = await failure(through({ http_proxy: host }).get(want("http://nvd.invalid/")));
    expect([error.code, error.class]).toEqual(["PROV_PROXY", "configuration"]);
    expect(error.remedy).toContain("user:password@");
  });

  test.each([407, 403])("that refuses a tunnel with %i is that as well, and no request", async (status) => {
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on("connect", (request, socket) => {
      asked.push(request.url ?? "");
      socket.on("error", () => {}).end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    });
    const host = await listen(proxy);
    const client = through({ https_proxy: `http://me:hunter2@${host}` });
    const error = await failure(client.get(want("https://nvd.invalid/")));
    expect([error.code, error.class]).toEqual(["PROV_PROXY", "configuration"]);
    expect(error.detail).toContain(String(status));
    expect(JSON.stringify(error) + error.detail).not.toContain("hunter2");
    expect(asked).toEqual(["nvd.invalid:443"]);
    expect(client.counted()).toBe(0);
  });

  test("that fails with 502 is tried again later", async () => {
    const proxy = createServer();
    proxy.on("connect", (_request, socket) => {
      socket.on("error", () => {}).end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    });
    const host = await listen(proxy);
    const error = await failure(through({ https_proxy: host }).get(want("https://nvd.invalid/")));
    expect([error.code, error.class]).toEqual(["PROV_CONNECTION", "transient"]);
  });

  test.each(["ftp://proxy:1", "proxy:x"])(
    "written %j fails the request, and only the request",
    async (text) => {
      const client = through({ HTTP_PROXY: text, NO_PROXY: "127.0.0.1" });
      const error = await failure(client.get(want("http://nvd.invalid/")));
      expect([error.code, error.class]).toEqual(["PROV_PROXY", "configuration"]);
      expect(error.detail).toContain("HTTP_PROXY");
      expect((await client.get(want(web.url))).status).toBe(200);
    },
  );
});

test("an API key that no header can hold is told to be checked, not the address", async () => {
  upstream = testUpstream(redis, { headers: { apiKey: "0a1b2c3d–e4f5" } });
  const error = await failure(upstream.get(want(web.url)));
  expect([error.code, error.class]).toEqual(["PROV_BAD_KEY", "configuration"]);
  expect(error.remedy).toContain("NVD_API_KEY");
  expect(error.detail).not.toContain("0a1b2c3d");
});

/** SOCKS 5 without authentication, which leads every name to this machine. */
function socksServer(asked: string[]): TcpServer {
  return createTcpServer((client) => {
    client.on("error", () => {});
    client.once("data", () => {
      client.write(Buffer.from([5, 0]));
      client.once("data", (request: Buffer) => {
        const length = request[4]!;
        const name = request.subarray(5, 5 + length).toString();
        const port = request.readUInt16BE(5 + length);
        asked.push(`${name}:${port}`);
        const onward = connect(port, "127.0.0.1", () => {
          client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          onward.pipe(client).pipe(onward);
        });
        onward.on("error", () => client.destroy());
      });
    });
  });
}
