import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { SimulatorUrls } from "../../../src/simulator/index.ts";
import { exchange, nvdPage } from "./http.ts";

const root = resolve(import.meta.dirname, "../../..");

describe("The simulator as a process of its own", () => {
  const children: ChildProcess[] = [];

  beforeAll(() => {
    const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts/build.mjs")]);
    if (status !== 0) throw new Error(String(stdout));
  });
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  function start(...flags: string[]): {
    child: ChildProcess;
    ended: Promise<number | null>;
    said: () => string;
  } {
    const child = spawn(process.execPath, [join(root, "dist/simulator/main.js"), ...flags], {
      stdio: "pipe",
    });
    children.push(child);
    let errors = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    return { child, ended: new Promise((done) => child.once("exit", done)), said: () => errors };
  }

  const firstLine = async (
    child: ChildProcess,
  ): Promise<{ url: string; urls: SimulatorUrls; pid: number }> => {
    let text = "";
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      text += chunk;
      if (text.includes("\n")) break;
    }
    return JSON.parse(text);
  };

  test("prints where it listens, serves, and ends with 0 on SIGTERM", async () => {
    const { child, ended } = start("--cves", "50", "--fault", "status-503#1");
    const { urls, pid } = await firstLine(child);
    expect(pid).toBe(child.pid);
    expect((await exchange(urls.cve)).status).toBe(503);
    expect(nvdPage(await exchange(urls.cve)).totalResults).toBe(50);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  test("ends when its parent's end of standard input closes, even while a client hangs", async () => {
    const { child, ended } = start("--cves", "5", "--exit-with-parent", "--fault", "stall-headers");
    const { urls } = await firstLine(child);
    const hanging = exchange(urls.cve).catch((error: NodeJS.ErrnoException) => error.code);
    child.stdin!.end();
    expect(await ended).toBe(0);
    expect(await hanging).toMatch(/ECONNRESET|ECONNREFUSED/);
  });

  test("ends with 2 and says what is wrong when used wrongly", async () => {
    const { ended, said } = start("--fault", "stats-503");
    expect(await ended).toBe(2);
    expect(said()).toMatch(/Did you mean status-503/);
  });
});
