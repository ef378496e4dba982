/** Every deliberate break still finds the one safeguard that it takes away, and the tests that should notice exist. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { mutants } from "../../chaos/mutants/catalogue.ts";
import { applyEdit, type Edit, findSafeguards } from "../../chaos/mutants/safeguards.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const safeguards = findSafeguards(root);

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))("%s", (_name, { edits, caughtBy }) => {
  expect(caughtBy.length).toBeGreaterThan(0);
  for (const catcher of caughtBy)
    if ("test" in catcher) expect(existsSync(join(root, catcher.test))).toBe(true);
  expect(edits.length).toBeGreaterThan(0);
  for (const edit of edits) {
    const [place] = safeguards.get(edit.at) ?? [];
    expect({ at: edit.at, found: place !== undefined }).toEqual({ at: edit.at, found: true });
    const text = readFileSync(join(root, place!.file), "utf8");
    expect(applyEdit(text, place!.file.endsWith(".lua") ? "lua" : "ts", edit)).not.toBe(text);
  }
});

test("every mark in the sources stands once and has a mutant", () => {
  const used = new Set(
    mutants.flatMap(({ edits }) =>
      edits.flatMap((edit) => ("moveAfter" in edit ? [edit.at, edit.moveAfter] : [edit.at])),
    ),
  );
  expect([...safeguards].filter(([name, places]) => places.length !== 1 || !used.has(name))).toEqual([]);
});

describe("an edit finds its code whatever its names and layout are", () => {
  const ts = `
// é: offsets are of bytes
export async function finish(run: Run): Promise<void> {
  // @safeguard guard
  if (run.count > LIMIT && !run.allowed) return;
  // @safeguard first
  await store(run.items);
  const facts = {
    // @safeguard kept
    keep: false,
  };
  // @safeguard second
  const done = await mark(
    run.id,
    facts,
  );
  return done;
}
`;
  const lua = `
local function refusal(batch)
  -- @safeguard fence
  if redis.call('HGET', KEYS[2], batch) ~= fence
    and not open then
    return -2
  end
  -- @safeguard window
  local window = tonumber(ARGV[2])
  -- @safeguard count
  count(name, -1)
end
`;
  const edited = (text: string, language: "ts" | "lua", edit: Edit): string[] => {
    const before = text.split("\n");
    return applyEdit(text, language, edit)
      .split("\n")
      .filter((line) => !before.includes(line))
      .map((line) => line.trim());
  };

  test.each<[string, Edit, string[]]>([
    ["a condition", { at: "guard", condition: "false" }, ["if (false) return;"]],
    ["the first operand", { at: "guard", condition: "$1" }, ["if (run.count > LIMIT) return;"]],
    ["a property", { at: "kept", value: "{ count: 1 }" }, ["keep: { count: 1 },"]],
    ["a value over several lines", { at: "second", value: "null" }, ["const done = null;"]],
    ["a statement", { at: "first", statement: "audit(); $" }, ["audit(); await store(run.items);"]],
  ])("TypeScript: %s", (_what, edit, lines) => {
    expect(edited(ts, "ts", edit)).toEqual(lines);
  });

  test("TypeScript: a statement moves behind another", () => {
    const moved = applyEdit(ts, "ts", { at: "first", moveAfter: "second" });
    expect(moved.indexOf("await store(")).toBeGreaterThan(moved.indexOf("await mark("));
    expect(moved.split("await store(").length).toBe(2);
  });

  test.each<[string, Edit, string[]]>([
    ["a condition over several lines", { at: "fence", condition: "false" }, ["if false then"]],
    ["the first operand", { at: "fence", condition: "$1" }, ["then"]],
    ["a value", { at: "window", value: "($) / 4" }, ["local window = (tonumber(ARGV[2])) / 4"]],
  ])("Lua: %s", (_what, edit, lines) => {
    expect(edited(lua, "lua", edit)).toEqual(lines);
  });

  test("Lua: a statement is deleted", () => {
    expect(applyEdit(lua, "lua", { at: "count", statement: "" })).not.toContain("count(name");
  });

  test("a missing mark and code without the wanted part are errors", () => {
    expect(() => applyEdit(ts, "ts", { at: "gone", condition: "false" })).toThrow("gone stands 0 times");
    expect(() => applyEdit(ts, "ts", { at: "first", condition: "false" })).toThrow("no condition follows");
    expect(() => applyEdit(lua, "lua", { at: "count", condition: "false" })).toThrow("no if follows");
  });
});
