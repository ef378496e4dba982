import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import {
  type HealthServer,
  type HealthSubject,
  startHealthServer,
} from "../../../src/workers/healthServer.ts";

let server: HealthServer;
let subject: HealthSubject;

beforeEach(async () => {
  subject = { worker: "w-1", state: "ready", live: true, ready: true, reasons: [] };
  server = await startHealthServer({ port: 0, host: "127.0.0.1", report: () => subject });
});
afterEach(() => server.close());

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
};

describe("the health port", () => {
  test("says 200 of a worker that takes batches", async () => {
    expect(await ask("/livez")).toMatchObject({ status: 200, body: { live: true, worker: "w-1" } });
    const ready = await ask("/readyz?verbose=1");
    expect(ready).toMatchObject({ status: 200, body: { ready: true, state: "ready", reasons: [] } });
    expect(ready.headers.get("cache-control")).toBe("no-store");
  });

  test("says why one is not ready, which ends no process", async () => {
    subject = { ...subject, state: "stopping", ready: false, reasons: ["the worker is stopping"] };
    expect(await ask("/readyz")).toMatchObject({
      status: 503,
      body: { ready: false, state: "stopping", reasons: ["the worker is stopping"] },
    });
    expect(await ask("/livez")).toMatchObject({ status: 200, body: { live: true, reasons: [] } });
  });

  test("says 503 of one that only a new process can mend", async () => {
    subject = { ...subject, live: false, ready: false, reasons: ["a queue was last heard of 40 s ago"] };
    expect(await ask("/livez")).toMatchObject({
      status: 503,
      body: { live: false, reasons: subject.reasons },
    });
  });

  test("answers HEAD without a body, and refuses everything else in words", async () => {
    expect(await ask("/livez", { method: "HEAD" })).toMatchObject({ status: 200, body: null });
    expect(await ask("/metrics")).toMatchObject({ status: 404, body: { code: "API_NOT_FOUND" } });
    const posted = await ask("/readyz", { method: "POST", body: "{}" });
    expect(posted).toMatchObject({ status: 405, body: { code: "API_BAD_INPUT" } });
    expect(posted.headers.get("allow")).toBe("GET, HEAD");
  });

  test("is not opened where another process has it, with a code", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const opening = startHealthServer({ port, host: "127.0.0.1", report: () => subject });
    await expect(opening).rejects.toMatchObject({
      code: "API_CANNOT_LISTEN",
      detail: expect.stringContaining("in use"),
    });
    other.close();
  });
});
