import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";

const script = fileURLToPath(new URL("../../../scripts/check-imports.mjs", import.meta.url));

describe("the check of imports", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "uee-imports-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Files by path; each gives what it imports. */
  function check(files: Record<string, string[]>): { status: number | null; output: string } {
    for (const [path, imports] of Object.entries(files)) {
      const file = join(root, "src", path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(
        file,
        `${imports.join("\n")}\nexport const here = ${JSON.stringify(path)};\nexport type Here = string;\n`,
      );
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, root], { encoding: "utf8" });
    return { status, output: stdout + stderr };
  }

  test("passes what points down", () => {
    const { status, output } = check({
      "core/a.ts": [],
      "redis/a.ts": ['import "../core/a.ts";'],
      "records/a.ts": ['import "../redis/a.ts";', 'import "../providers/contract.ts";'],
      "recovery/a.ts": ['import "../runs/a.ts";'],
      "runs/a.ts": ['import "../records/a.ts";'],
      "workers/a.ts": ['import "../recovery/a.ts";'],
      "outlets/a.ts": ['import "../engine/a.ts";'],
      "engine/a.ts": [],
      "engine.ts": ['import "./workers/a.ts";', 'import "./providers/registry.ts";'],
      "engine/api.ts": ['import type { Here } from "../workers/a.ts";'],
      "engine/runs.ts": ['import "../workers/a.ts";', 'import type { Here } from "./api.ts";'],
      "cli/a.ts": ['import "../engine.ts";', 'import "../simulator/a.ts";'],
      "providers/contract.ts": ['import "../core/a.ts";'],
      "providers/registry.ts": ['import "./cve/a.ts";'],
      "providers/cve/a.ts": ['import "../contract.ts";', 'import "../formats/a.ts";'],
      "providers/formats/a.ts": [],
      "simulator/a.ts": ['import "../core/a.ts";'],
      "dashboard/api/schemas.ts": ['import type { Here } from "../../engine/api.ts";'],
      "dashboard/page/a.tsx": [
        'import type { Here } from "../api/schemas.ts";',
        'import { useState } from "preact/hooks";',
        'import { here as there } from "./b.ts";',
      ],
      "dashboard/page/b.ts": [],
    });
    expect(output).not.toContain("error");
    expect(status).toBe(0);
  });

  test.each([
    [
      "an import upward",
      "redis-imports-no-higher-level",
      { "redis/a.ts": ['import "../workers/a.ts";'], "workers/a.ts": [] },
    ],
    [
      "an upward import of a type alone",
      "core-imports-no-higher-level",
      { "core/a.ts": ['import type { Here } from "../redis/a.ts";'], "redis/a.ts": [] },
    ],
    [
      "a worker that takes a type from the engine",
      "workers-imports-no-higher-level",
      { "workers/a.ts": ['import type { Here } from "../engine/api.ts";'], "engine/api.ts": [] },
    ],
    [
      "an engine that knows an outlet",
      "engine-imports-no-higher-level",
      { "engine.ts": ['import "./outlets/a.ts";'], "outlets/a.ts": [] },
    ],
    [
      "a worker that knows BullMQ",
      "only-queues-knows-bullmq",
      { "workers/a.ts": ['import type { Job } from "bullmq";'] },
    ],
    [
      "an upward re-export",
      "recovery-imports-no-higher-level",
      { "recovery/a.ts": ['export * from "../engine.ts";'], "engine.ts": [] },
    ],
    [
      "an upward import at run time",
      "records-imports-no-higher-level",
      { "records/a.ts": ['void import("../cli/a.ts");'], "cli/a.ts": [] },
    ],
    [
      "a circle of types",
      "no-circles",
      {
        "redis/a.ts": ['import type { Here } from "./b.ts";'],
        "redis/b.ts": ['import type { Here } from "./a.ts";'],
      },
    ],
    [
      "a provider that knows Redis",
      "providers-import-core-only",
      { "providers/cve/a.ts": ['import "../../redis/a.ts";'], "redis/a.ts": [] },
    ],
    [
      "a provider that knows another",
      "providers-do-not-know-each-other",
      { "providers/cve/a.ts": ['import "../cwe/a.ts";'], "providers/cwe/a.ts": [] },
    ],
    [
      "a worker that knows one provider",
      "only-the-registry-lists-providers",
      { "workers/a.ts": ['import "../providers/cve/a.ts";'], "providers/cve/a.ts": [] },
    ],
    [
      "a simulator that knows the providers",
      "simulator-imports-core-only",
      { "simulator/a.ts": ['import "../providers/registry.ts";'], "providers/registry.ts": [] },
    ],
    [
      "an engine that knows the simulator",
      "only-cli-starts-the-simulator",
      { "engine.ts": ['import "./simulator/a.ts";'], "simulator/a.ts": [] },
    ],
    [
      "a page that knows the engine",
      "the-page-is-for-browsers",
      { "dashboard/page/a.tsx": ['import type { Here } from "../../engine/api.ts";'], "engine/api.ts": [] },
    ],
    [
      "a page that carries the schemas along",
      "the-page-is-for-browsers",
      {
        "dashboard/page/a.tsx": ['import { here } from "../api/schemas.ts";'],
        "dashboard/api/schemas.ts": [],
      },
    ],
    [
      "a page that knows Node",
      "the-page-is-for-browsers",
      { "dashboard/page/a.ts": ['import { join } from "node:path";'] },
    ],
    [
      "a circle within the page",
      "no-circles",
      {
        "dashboard/page/a.tsx": ['import { here } from "./b.tsx";'],
        "dashboard/page/b.tsx": ['import type { Here } from "./a.tsx";'],
      },
    ],
    [
      "a server that imports the page",
      "the-page-is-not-imported",
      { "dashboard/server.ts": ['import "./page/a.ts";'], "dashboard/page/a.ts": [] },
    ],
    ["an import of what is not there", "every-import-is-found", { "core/a.ts": ['import "./gone.ts";'] }],
  ] as [string, string, Record<string, string[]>][])("refuses %s", (_what, rule, files) => {
    const { status, output } = check(files);
    expect(output).toContain(rule);
    expect(status).not.toBe(0);
  });
});
