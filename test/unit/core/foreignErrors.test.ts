/** What Node and libraries really throw, provoked rather than imitated where that is possible. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import CircuitBreaker from "opossum";
import { z } from "zod";
import { toUeeError, type UeeError } from "../../../src/core/errors.ts";
import { mapQueueError } from "../../../src/queues/bullmqErrors.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "uee-foreign-"));
  writeFileSync(join(dir, "file"), "text");
});
afterAll(() => rmSync(dir, { recursive: true }));

async function thrown(work: () => unknown): Promise<UeeError> {
  try {
    await work();
  } catch (error) {
    return toUeeError(error);
  }
  throw new Error("nothing was thrown");
}

const coded = (code: string, syscall: string) =>
  Object.assign(new Error(`${code}: x, ${syscall} '/p'`), { code, syscall });

async function taken(): Promise<void> {
  const first = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => first.once("listening", resolve));
  const { port } = first.address() as { port: number };
  try {
    const second = createServer().listen(port, "127.0.0.1");
    await new Promise((_resolve, reject) => second.once("error", reject));
  } finally {
    first.close();
  }
}

async function refused(): Promise<unknown> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return await fetch(`http://127.0.0.1:${port}/`);
}

describe("what Node throws is named", () => {
  test.each<[string, string, () => unknown]>([
    ["a file that is not there", "SYS_FILE_MISSING", () => readFile(join(dir, "none"))],
    ["a file where a folder should be", "SYS_DISK", () => readdir(join(dir, "file"))],
    ["a folder that is there already", "SYS_DISK", () => mkdir(dir)],
    ["a folder opened as a file", "SYS_DISK", () => readFile(dir)],
    ["a full disk", "SYS_DISK_FULL", () => Promise.reject(coded("ENOSPC", "write"))],
    ["a spent quota", "SYS_DISK_FULL", () => Promise.reject(coded("EDQUOT", "write"))],
    ["a file of another user", "SYS_FILE_DENIED", () => Promise.reject(coded("EACCES", "open"))],
    ["a disk that is read-only", "SYS_FILE_DENIED", () => Promise.reject(coded("EROFS", "mkdir"))],
    ["too many open files", "SYS_FILES_EXHAUSTED", () => Promise.reject(coded("EMFILE", "open"))],
    ["a port in use", "API_CANNOT_LISTEN", taken],
    ["a host that refuses", "SYS_NETWORK", refused],
    ["a name that is not known", "SYS_NETWORK", () => Promise.reject(coded("ENOTFOUND", "getaddrinfo"))],
    ["a resolver that is away", "SYS_NETWORK", () => Promise.reject(coded("EAI_AGAIN", "getaddrinfo"))],
    ["a socket that is not there", "SYS_INTERNAL", () => Promise.reject(coded("ENOENT", "connect"))],
    ["work that was called off", "SYS_ABORTED", () => sleep(1, null, { signal: AbortSignal.abort() })],
    ["a signal that was aborted", "SYS_ABORTED", () => AbortSignal.abort().throwIfAborted()],
    [
      "time that is over",
      "SYS_TIMEOUT",
      async () => {
        const signal = AbortSignal.timeout(1);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        signal.throwIfAborted();
      },
    ],
    ["a text that is too long", "SYS_MEMORY", () => "x".repeat(2 ** 29)],
    ["a buffer that is too large", "SYS_MEMORY", () => new ArrayBuffer(2 ** 53 - 1)],
    ["a gzip that is none", "VAL_COMPRESSED", () => gunzipSync(Buffer.from("plain"))],
    ["a gzip that ends early", "VAL_COMPRESSED", () => gunzipSync(Buffer.from([0x1f, 0x8b, 8]))],
    ["a text that is no JSON", "VAL_JSON", () => JSON.parse("{no")],
    ["a text that ends early", "VAL_JSON", () => JSON.parse('{"a":')],
    ["a value of another shape", "VAL_SCHEMA", () => z.object({ a: z.string() }).parse({ a: 1 })],
    ["a bug", "SYS_INTERNAL", () => (undefined as unknown as string).length],
    ["a text", "SYS_INTERNAL", () => Promise.reject("just words")],
    ["nothing", "SYS_INTERNAL", () => Promise.reject(undefined)],
  ])("%s is %s", async (_what, code, work) => {
    expect((await thrown(work)).code).toBe(code);
  });

  test("what is read is not quoted: it may be a secret", async () => {
    const error = await thrown(() => JSON.parse('{"password": hunter2}'));
    expect(`${error.message} ${error.stack} ${String(error.cause)}`).not.toContain("hunter2");
  });
});

describe("what a provider's own opossum throws is named", () => {
  const slow = () => sleep(1_000, undefined, { ref: false });
  const fireAfter = (act: (breaker: CircuitBreaker) => void) => (breaker: CircuitBreaker) => {
    act(breaker);
    return breaker.fire();
  };

  test.each<[string, string, (breaker: CircuitBreaker) => Promise<unknown>]>([
    ["an open circuit", "PROV_CIRCUIT_OPEN", fireAfter((breaker) => breaker.open())],
    ["a call that took too long", "PROV_TIMEOUT", (breaker) => breaker.fire()],
    [
      "too many calls at once",
      "PROV_CIRCUIT_OPEN",
      (breaker) => Promise.race([breaker.fire().catch(slow), breaker.fire()]),
    ],
    ["a circuit that was shut down", "SYS_SHUTDOWN", fireAfter((breaker) => breaker.shutdown())],
  ])("%s is %s", async (_what, code, work) => {
    const breaker = new CircuitBreaker(slow, { timeout: 20, capacity: 1 });
    expect((await thrown(() => work(breaker))).code).toBe(code);
    breaker.shutdown();
  });
});

describe("what BullMQ throws is named", () => {
  test.each([
    ["Missing lock for job b-1. moveToFinished", "RPC_LOCK_LOST"],
    ["Lock mismatch for job b-1. Cmd moveToFinished from active", "RPC_LOCK_LOST"],
    ["Job b-1 is not in the active state. moveToFinished", "RPC_LOCK_LOST"],
    ["Missing key for job b-1. moveToDelayed", "RPC_JOB_GONE"],
    ["a new one", "SYS_INTERNAL"],
  ])("%s is %s", (message, code) => {
    expect(mapQueueError(new Error(message)).code).toBe(code);
  });
});
