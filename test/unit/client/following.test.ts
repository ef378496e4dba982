import { describe, expect, test } from "@jest/globals";
import { followChanges } from "../../../src/client/following.ts";
import { UeeError } from "../../../src/core/errors.ts";
import type { ChangeEntry } from "../../../src/records/contract.ts";
import { fakeEngine } from "../cli/support.ts";

const entry = (n: number): ChangeEntry => ({
  cursor: `c${n}`,
  provider: "cve",
  urn: `v2e::nvd::cve::CVE-2025-${n}`,
  id: `CVE-2025-${n}`,
  op: "created",
  fields: [],
  at: "2026-03-15T12:00:00.000Z",
  runId: "r",
});

/** A feed of so many entries that breaks once, after the second. */
function breaking(error: UeeError) {
  const asked: (string | undefined)[] = [];
  const engine = fakeEngine();
  engine.records.changes = async function* ({ since }) {
    asked.push(since);
    for (let n = since === undefined ? 1 : Number(since.slice(1)) + 1; n <= 4; n++) {
      if (n === 3 && asked.length === 1) throw error;
      yield entry(n);
    }
  };
  return { engine, asked };
}

async function collect(changes: AsyncIterable<ChangeEntry>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { cursor } of changes) seen.push(cursor);
  return seen;
}

const never = new AbortController().signal;

describe("a follower", () => {
  test("goes on after the last entry that it gave when Redis comes back: no gap, no double", async () => {
    const { engine, asked } = breaking(new UeeError("SYS_REDIS_UNREACHABLE"));
    expect(await collect(followChanges(engine, { follow: true }, never))).toEqual(["c1", "c2", "c3", "c4"]);
    expect(asked).toEqual([undefined, "c2"]);
  });

  test.each(["STOR_CURSOR_TRIMMED", "STOR_CURSOR_INVALID"] as const)("ends with %s", async (code) => {
    const { engine, asked } = breaking(new UeeError(code));
    const following = collect(followChanges(engine, { follow: true }, never));
    await expect(following).rejects.toMatchObject({ code });
    expect(asked).toHaveLength(1);
  });

  test("that does not follow reports a Redis that is away", async () => {
    const { engine } = breaking(new UeeError("SYS_REDIS_UNREACHABLE"));
    await expect(collect(followChanges(engine, {}, never))).rejects.toMatchObject({
      code: "SYS_REDIS_UNREACHABLE",
    });
  });
});
