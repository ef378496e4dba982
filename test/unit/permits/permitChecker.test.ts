/** The offline checker finds every breach of law 4 that it is there for: logs written by hand. */
import { describe, expect, test } from "@jest/globals";
import { checkPermitLog, readPermitLog } from "../../support/permitChecker.ts";

const entry = (facts: Record<string, string | number>): [string, string[]] => {
  const { e, t, l, p, w, u, s, v, ...extras } = facts;
  const texts = Object.entries(extras).map(([name, value]) => `${name}=${value}`);
  const text = [e, t, p || "-", w, u, s, texts.join(",") || "-", l].join(" ");
  return ["0-0", v === undefined ? ["e", text] : ["e", text, "v", `${v}`]];
};
const seed = entry({ e: "seed", t: 0, l: "", p: "", w: 0, u: 0, s: 2 });
const grant = (l: string, t: number, u: number, more: Record<string, string | number> = {}) =>
  entry({ e: "grant", t, l, p: "cve", w: 1, u, s: 2, f: t, d: t + 100, ...more });
const end = (e: string, l: string, t: number, u: number, d = t) =>
  entry({ e, t, l, p: "cve", w: 1, u, s: 2, d });
const check = (...entries: [string, string[]][]) => checkPermitLog(readPermitLog(entries), 50);
const sized = (e: string, t: number, u: number, s: number) => entry({ e, t, l: "", p: "", w: 0, u, s });

describe("the checker of the permit log", () => {
  test("finds nothing in a log in which never too many were held", () => {
    const verdict = check(
      seed,
      grant("a", 10, 1),
      grant("b", 20, 2),
      end("release", "a", 30, 1),
      grant("c", 40, 2),
    );
    expect(verdict).toMatchObject({ violations: [], grants: 3, mostHeld: 2 });
  });

  test.each([
    [
      "one grant too many",
      [seed, grant("a", 10, 1), grant("b", 20, 2), grant("c", 30, 3)],
      "makes it 3 of 2",
    ],
    ["a grant of what is held", [seed, grant("a", 10, 1), grant("a", 20, 2)], "is granted while it is held"],
    [
      "a fence that does not grow",
      [seed, grant("a", 10, 1), grant("b", 20, 2, { f: 10 })],
      "fence 10 after 10",
    ],
    [
      "a release that takes from another",
      [seed, grant("a", 10, 1), end("release", "b", 20, 0)],
      "was not held",
    ],
    ["a count that is wrong", [seed, grant("a", 10, 2)], "the pool counts 2, there are 1"],
    ["a log without its beginning", [grant("a", 10, 1)], "does not reach back"],
    ["a size that was never set", [seed, grant("a", 10, 1, { s: 9 })], "size is 9, it was set to 2"],
  ])("finds %s", (_what, log, said) => {
    expect(check(...log).violations.join("\n")).toContain(said);
  });

  test("reads a grant that gave another lease back in the same step as both", () => {
    const swap = grant("b", 20, 1);
    swap[1].push("o", "a");
    const verdict = check(seed, grant("a", 10, 1), swap, end("release", "b", 30, 0));
    expect(verdict).toMatchObject({ violations: [], grants: 2, mostHeld: 1 });
    const unknown = grant("c", 40, 1);
    unknown[1].push("o", "never held");
    expect(check(seed, unknown).violations.join()).toContain("was not held");
  });

  test("counts a lease whose end went unnoticed only until that end", () => {
    const verdict = check(seed, grant("a", 10, 1), end("expire", "a", 500, 0, 110), grant("b", 501, 1));
    expect(verdict).toMatchObject({ violations: [], lapsed: 1, mostHeld: 1 });
  });

  test("allows what is over a lowered size for as long as documented, and no longer", () => {
    const held = [seed, grant("a", 10, 1), grant("b", 20, 2), sized("resize", 30, 2, 1)];
    const endOfB = (t: number) => entry({ e: "enforce", t, l: "b", p: "cve", w: 1, u: 1, s: 1, d: t });
    expect(check(...held, endOfB(79))).toMatchObject({ violations: [], longestOver: 49 });
    expect(check(...held, endOfB(90)).violations).toEqual(["from 30 to 90 2 are held, allowed are 1"]);
  });
});
