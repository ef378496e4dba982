/** The proxy that fault tests trust: it must really do to a connection what it says. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { startTcpProxy, type TcpProxy } from "../../support/tcpProxy.ts";

let echo: Server;
let proxy: TcpProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  proxy = await startTcpProxy({ port: (echo.address() as AddressInfo).port });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  echo.close();
});

async function dial(): Promise<Socket> {
  const socket = connect({ port: proxy.port, host: "127.0.0.1" });
  clients.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Whether by a reset or in peace. */
const closing = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** What comes back, until it is as long as what is expected. */
async function answer(socket: Socket, text: string, expected = text): Promise<string> {
  let got = "";
  socket.write(text);
  while (got.length < expected.length) got += String(((await once(socket, "data")) as [Buffer])[0]);
  return got;
}

test("carries bytes both ways, in order, large ones too", async () => {
  const socket = await dial();
  const large = Array.from({ length: 100_000 }, (_, i) => String(i)).join(",");
  expect(await answer(socket, large)).toBe(large);
  expect(proxy).toMatchObject({ open: 1, accepted: 1 });
});

test("delays every byte each way and keeps the order, when the delay is lowered too", async () => {
  const socket = await dial();
  proxy.delay(100);
  const started = performance.now();
  socket.write("first ");
  await sleep(20);
  proxy.delay(0);
  expect(await answer(socket, "second", "first second")).toBe("first second");
  expect(performance.now() - started).toBeGreaterThanOrEqual(95);
});

test("swallows without closing, and resets what it swallowed from when it heals", async () => {
  const socket = await dial();
  expect(await answer(socket, "before")).toBe("before");
  proxy.swallow();
  const heard: string[] = [];
  socket.on("data", (chunk) => heard.push(String(chunk)));
  socket.on("close", () => heard.push("closed"));
  socket.write("lost");
  const late = await dial();
  late.write("lost too");
  await sleep(100);
  expect(heard).toEqual([]);
  expect([socket.destroyed, late.destroyed]).toEqual([false, false]);
  const closed = Promise.all([closing(socket), closing(late)]);
  proxy.heal();
  await closed;
  expect(heard).toEqual(["closed"]);
  expect(await answer(await dial(), "after")).toBe("after");
});

test("a connection that slept through the silence goes on", async () => {
  const socket = await dial();
  proxy.swallow();
  proxy.heal();
  expect(await answer(socket, "still here")).toBe("still here");
});

test("refuses new connections and serves those that are open; cuts all and serves new ones", async () => {
  const socket = await dial();
  proxy.refuse();
  const refused = connect({ port: proxy.port, host: "127.0.0.1" });
  clients.push(refused);
  refused.on("error", () => {});
  await closing(refused);
  expect(await answer(socket, "still here")).toBe("still here");
  proxy.heal();
  const cut = closing(socket);
  proxy.cut();
  await cut;
  expect(await answer(await dial(), "after")).toBe("after");
});

test("strands what is open, for ever and unclosed, and serves what comes", async () => {
  const stranded = await dial();
  const heard: string[] = [];
  stranded.on("data", (chunk) => heard.push(String(chunk)));
  stranded.on("close", () => heard.push("closed"));
  proxy.strand();
  stranded.write("lost");
  expect(await answer(await dial(), "after")).toBe("after");
  await sleep(50);
  expect(heard).toEqual([]);
});

test("leads new connections to where it is retargeted, and leaves open ones where they are", async () => {
  const other = createServer((socket) => socket.on("error", () => {}).end("other"));
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const before = await dial();
  proxy.retarget({ port: (other.address() as AddressInfo).port });
  const after = await dial();
  expect(String(((await once(after, "data")) as [Buffer])[0])).toBe("other");
  expect(await answer(before, "still here")).toBe("still here");
  other.close();
});
