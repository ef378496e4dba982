/** The page's files: to be had before any login, small, kept by browsers for ever or asked for each time, nothing beside them. */
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startDashboard, type TestDashboard } from "./support.ts";

let dashboard: TestDashboard;
const folder = mkdtempSync(join(tmpdir(), "uee-page-"));
const script = "console.log('page');";
beforeAll(async () => {
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), "<!doctype html><title>UEE</title>");
  await writeFile(join(folder, "secret.txt"), "not a file of the page");
  await writeFile(join(folder, "assets/page-ABC.js"), script);
  await writeFile(join(folder, "assets/page-ABC.js.br"), brotliCompressSync(script));
  dashboard = await startDashboard({ pageFiles: folder });
});
afterAll(async () => {
  await dashboard.close();
  rmSync(folder, { recursive: true });
});

describe("the page's files", () => {
  test("are there without a login, under a policy that forbids what is inline or from elsewhere", async () => {
    const { status, headers, text } = await dashboard.ask("/");
    expect([status, text]).toEqual([200, "<!doctype html><title>UEE</title>"]);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["cache-control"]).toBe("no-cache");
    expect(headers["content-security-policy"]).toContain("default-src 'self'");
    expect(headers["content-security-policy"]).not.toContain("unsafe");
    const again = await dashboard.ask("/", { headers: { "if-none-match": headers.etag } });
    expect([again.status, again.text]).toEqual([304, ""]);
  });

  test("are compressed for clients that accept it, and cached without end under their name", async () => {
    const plain = await dashboard.ask("/assets/page-ABC.js");
    expect([plain.status, plain.text]).toEqual([200, script]);
    expect(plain.headers["cache-control"]).toContain("immutable");
    expect(plain.headers["content-encoding"]).toBeUndefined();
    const packed = await fetch(`${dashboard.url}/assets/page-ABC.js`, {
      headers: { "accept-encoding": "br" },
    });
    expect(packed.headers.get("content-encoding")).toBe("br");
    expect(packed.headers.get("etag")).not.toBe(plain.headers.etag);
    expect(await packed.text()).toBe(script);
  });

  test.each([
    "/assets/page-ABC.js.br",
    "/assets/..%2fsecret.txt",
    "/assets/../secret.txt",
    "/secret.txt",
    "/assets/",
    "/assets/nothing.js",
  ])("and there is nothing else: %s", async (path) => {
    const { status, text } = await dashboard.get(path);
    expect([status, text.includes("not a file")]).toEqual([404, false]);
  });
});
