import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";

const script = fileURLToPath(new URL("../../../scripts/check-language.mjs", import.meta.url));
/** In two parts, so that this file passes the check itself. */
const word = (start: string, end: string) => start + end;

describe("the check of language", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "uee-language-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function check(files: Record<string, string>) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: "utf8" });
    return { status, lines: stderr.split("\n").filter((line) => line !== "") };
  }

  test("passes plain sentences in comments, messages and documents", () => {
    const { status, lines } = check({
      "src/core/a.ts": '// The lease ends by Redis TIME.\nexport const a = "Of the kind Offer"; // in ms\n',
      "src/core/b.lua": "--[[\n  Renews a lease.\n]]\nreturn 1 -- renewed\n",
      "docs/a.md": "# A\n\nOffline processes wait. Of course, they stop first.\n",
    });
    expect(lines).toEqual([]);
    expect(status).toBe(0);
  });

  test.each([
    ["src/a.ts", `// ${word("O", "f")} a run: its id.`],
    ["src/a.ts", `/** ${word("O", "f")} the pool. */`],
    ["src/a.ts", `/*\n * ${word("O", "f")} two pods, one leads.\n */`],
    ["src/a.ts", `const a = 1; // ${word("O", "f")} a page`],
    ["src/a.ts", `const a = "started ${word("an", "ew")}";`],
    ["src/page.tsx", `<p>${word("No", "body")} works.</p>`],
    ["src/a.lua", `--[[\n  ${word("Who", "ever")} asks first.\n]]`],
    ["src/a.lua", `local a = 1 -- a ${word("ta", "ker")}`],
    ["scripts/a.sh", `# ${word("bur", "ied")}`],
    ["src/a.ts", `// at its ${word("wo", "rd")}`],
    ["src/a.ts", `// Once. ${word("O", "f")} two callers, one wins.`],
    ["src/a.ts", `const a = "two, of ${word("which", " one")} wins";`],
    ["src/a.ts", `// The fleet ${word("hears", " of")} it.`],
    ["deploy/a.yaml", `# ${word("Any", "body")} may read it.`],
    [".github/a.yml", `name: for ${word("every", "body")}`],
    ["deploy/Dockerfile", `# ${word("an", "ew")}`],
    ["docs/a.md", `- **Out.** ${word("O", "f")} the root, all.`],
    ["docs/a.md", `Text.\n\n${word("O", "f")} the three, one.`],
    ["README.md", `| ${word("O", "f")} it | x |`],
    ["CHANGELOG.md", `# Changelog\n\n## Unreleased\n\n- ${word("some", "body")}\n`],
  ])("fails on %s with %j", (path, text) => {
    const { status, lines } = check({ [path]: text });
    expect(status).toBe(1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`error ${path.replace(".", "\\.")}:\\d+: `));
  });

  test("does not apply the rules for comments to code, nor any rule to released entries", () => {
    const { lines } = check({
      "src/a.ts": `export const ${word("do", "or")} = "${word("O", "f")} old records";\n`,
      "CHANGELOG.md": `# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n- ${word("an", "ew")}\n`,
    });
    expect(lines).toEqual([]);
  });
});
