/** Output that cannot be written is told with its code; a reader that goes away ends a command quietly. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../support/redisServer.ts";

const full = existsSync("/dev/full") ? describe : describe.skip;
if (!existsSync("/dev/full")) console.warn("Without /dev/full, tests of a full disk are skipped.");

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

function shell(command: string) {
  const { status, stdout, stderr } = spawnSync("bash", ["-c", `set -o pipefail; ${command}`], {
    encoding: "utf8",
    env: { ...process.env, REDIS_URL: server.url, UEE_REDIS_CHECKS: "off" },
  });
  return { status, stdout, stderr };
}

full("a full disk under stdout", () => {
  test.each([
    "--help",
    "errors",
    "errors --json",
    "config",
    "config --json",
    "status",
    "status --json",
    "changes",
    "history",
    "dlq stats --json",
    "export cve --allow-partial",
  ])("of `uee %s` is an error with its code", (command) => {
    // What has nothing to say writes nothing, and that succeeds.
    const said = shell(`./bin/uee ${command}`).stdout;
    const { status, stderr } = shell(`./bin/uee ${command} > /dev/full`);
    if (said === "") return;
    expect(stderr).toMatch(/^SYS_DISK_FULL: The disk is full/m);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).toBe(1);
  });

  test("under stderr costs words and no work", () => {
    const { status, stdout } = shell("./bin/uee status --json 2> /dev/full");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty("providers");
  });
});

test("a reader that goes away ends a command quietly", () => {
  expect(shell("./bin/uee errors | head -1")).toMatchObject({ stderr: "" });
});
