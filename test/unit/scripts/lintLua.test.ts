import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";

const script = fileURLToPath(new URL("../../../scripts/lint-lua.mjs", import.meta.url));

const header = `--[[
  Adds a number to a counter.
  KEYS[1] counter, STRING
  ARGV[1] number
  Returns the sum.
]]
`;
const body = `local counter = KEYS[1]
local number = tonumber(ARGV[1])

if number > 0 then
  return redis.call("INCRBY", counter, number)
end
return 0
`;

describe("the check of Lua scripts", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "uee-lua-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function lint(files: Record<string, string>): { status: number | null; output: string } {
    for (const [path, text] of Object.entries(files)) {
      const file = join(root, "src", path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, root], { encoding: "utf8" });
    return { status, output: stdout + stderr };
  }

  test("passes a script in the common form, with what it includes", () => {
    const fragment =
      "--[[\n  Included by the script beside it.\n]]\nlocal function twice(n)\n  return 2 * n\nend\n";
    const include = '--- @include "twice.lua"\n';
    const files = { "a/lua/add-1.lua": header + include + body, "a/lua/twice.lua": fragment };
    expect(lint(files)).toEqual({ status: 0, output: "" });
  });

  test.each([
    ["what is no Lua 5.1", `${header}${body}goto out\n`, "is no Lua 5.1"],
    ["a global", header + body.replace("local number", "number"), "uses the global number"],
    ["a script without a header", body, "does not begin with a header"],
    [
      "two keys or arguments on one line",
      header.replace("STRING\n  ARGV", "STRING  ARGV") + body,
      "own line",
    ],
    [
      "a header that leaves a key out",
      header.replace("  KEYS[1] counter, STRING\n", "") + body,
      "0 of 1 keys",
    ],
    [
      "a header without what it returns",
      header.replace("  Returns the sum.\n", "") + body,
      "what it returns",
    ],
    ["a raw key below the top", header + body.replace("counter, number", "KEYS[1], number"), "raw KEYS"],
    ["single quotes", header + body.replace('"INCRBY"', "'INCRBY'"), "single quotes"],
    [
      "wrong indentation",
      header + body.replace("  return redis", "    return redis"),
      "indented by 4 instead of 2",
    ],
  ])("refuses %s", (_what, text, finding) => {
    const { status, output } = lint({ "a/lua/add-1.lua": text });
    expect(output).toContain(finding);
    expect(status).toBe(1);
  });

  test("refuses a fragment that no script includes", () => {
    const { output } = lint({ "a/lua/add-1.lua": header + body, "a/lua/left.lua": "--[[\n  Nothing.\n]]\n" });
    expect(output).toContain("left.lua:1: no script includes this file");
  });
});
