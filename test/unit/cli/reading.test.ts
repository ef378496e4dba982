import { describe, expect, test } from "@jest/globals";
import { nearSpellings } from "../../../src/cli/commands/get.ts";
import { UeeError } from "../../../src/core/errors.ts";
import type { Engine, MachineStatus } from "../../../src/engine/api.ts";
import { providers } from "../../../src/providers/registry.ts";
import type { StoredRecord } from "../../../src/records/contract.ts";
import {
  closed,
  each,
  engineStatus,
  fakeCli,
  fakeEngine,
  machineStatus,
  now,
  paused,
  providerStatus,
} from "./support.ts";

const log4shell: StoredRecord = {
  urn: "v2e::nvd::cve::CVE-2021-44228",
  provider: "cve",
  id: "CVE-2021-44228",
  firstSeen: "2026-03-01T00:00:00.000Z",
  lastChanged: "2026-03-02T00:00:00.000Z",
  data: { id: "CVE-2021-44228", text: "\ud800 �" },
};

const withRecords = (over: Partial<Engine["records"]>): Engine =>
  fakeEngine({ records: { ...fakeEngine().records, ...over } });

describe("uee get", () => {
  const engine = withRecords({
    get: async (text) => {
      if (text === "CVE-2021-44228") return { record: log4shell };
      if (text === "CVE-1999-0001") {
        return {
          urn: "v2e::nvd::cve::CVE-1999-0001",
          removed: {
            id: "CVE-1999-0001",
            removedAt: "2026-03-15T11:00:00.000Z",
            reason: "not in the upstream any more",
            runId: "run-7",
            firstSeen: "2026-01-01T00:00:00.000Z",
          },
        };
      }
      if (text.includes(" ")) throw new UeeError("VAL_URN");
      return undefined;
    },
  });

  test("prints the record as JSON, unchanged", async () => {
    const cli = fakeCli(engine);
    expect(await cli.run("get", "CVE-2021-44228")).toBe(0);
    expect(cli.json()).toEqual(log4shell);
    expect(cli.requests[0]!.redis).toBe("existing");
  });

  test("a removed record: when and why, exit 1", async () => {
    const cli = fakeCli(engine);
    expect(await cli.run("get", "CVE-1999-0001")).toBe(1);
    expect(cli.stderr.text).toContain(
      "removed at 2026-03-15T11:00:00.000Z (60 min ago): not in the upstream any more",
    );
    expect(cli.stdout.text).toBe("");
    const json = fakeCli(engine);
    expect(await json.run("get", "CVE-1999-0001", "--json")).toBe(1);
    expect(json.json()).toMatchObject({ removed: { runId: "run-7" } });
  });

  test.each([
    "cve-2021-44228 ",
    "2021-44228",
    "CVE_2021_44228",
    "CVE-2021-442280",
    "CVE-2020-44228",
    "CVE-2021-44229",
  ])("'%s' is not found, but what was meant is named", async (text) => {
    const cli = fakeCli(engine);
    expect(await cli.run("get", text)).toBe(1);
    expect(cli.stderr.text).toContain("Did you mean CVE-2021-44228?");
  });

  test("nothing near: says which providers are not loaded", async () => {
    const cli = fakeCli({
      ...engine,
      status: async () =>
        engineStatus({
          providers: [providerStatus("cve", { verified: true }), providerStatus("cwe", { records: 1_200 })],
        }),
    });
    expect(await cli.run("get", "CWE-79", "--json")).toBe(1);
    expect(cli.json()).toMatchObject({ error: { code: "STOR_NOT_FOUND" } });
    expect(cli.stderr.text).toContain("Not loaded completely yet: cwe (1,200 records).");
  });
});

test("near spellings add prefixes and zeros that were forgotten", () => {
  expect(nearSpellings("79", providers)).toEqual(["CWE-79", "CAPEC-79"]);
  expect(nearSpellings("cwe79", providers)).toEqual(["CWE-79"]);
  expect(nearSpellings("T1059.1", providers)).toEqual(["T1059.001", "T1059"]);
  expect(nearSpellings("g16", providers)).toEqual(["G0016"]);
  expect(nearSpellings("nonsense", providers)).toEqual([]);
});

describe("uee export", () => {
  test("prints one line a record with exactly the contract's fields", async () => {
    const cli = fakeCli(
      withRecords({ export: () => each({ ...log4shell, extra: 1 } as StoredRecord, log4shell) }),
    );
    expect(await cli.run("export", "cve")).toBe(0);
    const lines = cli.stdout.text.trim().split("\n");
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(Object.keys(JSON.parse(line))).toEqual([
        "urn",
        "provider",
        "id",
        "firstSeen",
        "lastChanged",
        "data",
      ]);
      expect(JSON.parse(line)).toEqual(log4shell);
    }
  });

  test("an unverified provider ends with 1, nothing on stdout", async () => {
    const cli = fakeCli(
      withRecords({
        // biome-ignore lint/correctness/useYield: it fails before the first record
        export: async function* () {
          throw new UeeError("PROV_UNVERIFIED");
        },
      }),
    );
    expect(await cli.run("export", "cwe")).toBe(1);
    expect(cli.stderr.text).toContain("PROV_UNVERIFIED");
    expect(cli.stdout.text).toBe("");
  });

  test("--since takes a date, a date without zone (UTC), and how long ago", async () => {
    const since: (number | undefined)[] = [];
    const engine = withRecords({
      export: (_provider, options) => {
        since.push(options.since);
        return each();
      },
    });
    for (const text of ["2026-03-01", "2026-03-01T12:00:00", "24h"]) {
      expect(await fakeCli(engine).run("export", "cve", "--since", text)).toBe(0);
    }
    expect(await fakeCli(engine).run("export", "cve")).toBe(0);
    expect(since).toEqual([Date.UTC(2026, 2, 1), Date.UTC(2026, 2, 1, 12), now - 86_400_000, undefined]);
  });

  test("a reader that goes away ends it quietly with 0, long before the last record", async () => {
    let made = 0;
    const cli = fakeCli(
      withRecords({
        async *export() {
          for (; made < 1_000_000; made++) yield { ...log4shell, data: { text: "x".repeat(1_000) } };
        },
      }),
    );
    cli.stdout.failure = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    expect(await cli.run("export", "cve")).toBe(0);
    expect(cli.stderr.text).toBe("");
    expect(made).toBeLessThan(1_000);
  });

  test("an interrupted export ends with 130 and is not taken for complete", async () => {
    const cli = fakeCli(
      withRecords({
        async *export(_provider, { signal }) {
          yield log4shell;
          cli.signals.emit("SIGINT");
          if (signal?.aborted) throw new UeeError("SYS_INTERRUPTED");
        },
      }),
    );
    expect(await cli.run("export", "cve")).toBe(130);
    expect(cli.stderr.text).toContain("the export is not complete");
  });
});

describe("uee changes", () => {
  test("prints each entry as a line", async () => {
    const entry = {
      cursor: "cve:5",
      provider: "cve",
      urn: log4shell.urn,
      id: log4shell.id,
      op: "updated" as const,
      fields: ["metrics"],
      at: "2026-03-15T11:00:00.000Z",
      runId: "run-7",
    };
    const cli = fakeCli(withRecords({ changes: () => each(entry, entry) }));
    expect(await cli.run("changes", "--since", "cve:4")).toBe(0);
    expect(
      cli.stdout.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([entry, entry]);
  });

  test("a trimmed cursor is an error with exit 1; one that is none ends with 2", async () => {
    for (const [code, exit] of [
      ["STOR_CURSOR_TRIMMED", 1],
      ["STOR_CURSOR_INVALID", 2],
    ] as const) {
      const cli = fakeCli(
        withRecords({
          // biome-ignore lint/correctness/useYield: it fails before the first entry
          changes: async function* () {
            throw new UeeError(code);
          },
        }),
      );
      expect(await cli.run("changes", "--since", "x")).toBe(exit);
      expect(cli.stderr.text).toContain(code);
    }
  });

  test("following ends with 0 when told to stop", async () => {
    const cli = fakeCli(
      withRecords({
        // biome-ignore lint/correctness/useYield: nothing comes
        async *changes({ signal }) {
          cli.signals.emit("SIGINT");
          if (!signal?.aborted) throw new Error("was not told");
        },
      }),
    );
    expect(await cli.run("changes", "--follow")).toBe(0);
  });
});

describe("uee status", () => {
  test("--json prints the engine's status as it is, and the breakers", async () => {
    const cli = fakeCli();
    expect(await cli.run("status", "--json")).toBe(0);
    expect(cli.json()).toEqual({ ...engineStatus(), breakers: [] });
  });

  test("--check ends with 1 and names the providers; without it the same status ends with 0", async () => {
    const cli = fakeCli();
    expect(await cli.run("status", "--check", "--max-age", "6h")).toBe(1);
    expect(cli.stderr.text).toContain("Check failed: cve was never verified complete.");
    expect(await fakeCli().run("status")).toBe(0);
  });

  test("--check ends with 1 when the last run ended incomplete, as doctor does", async () => {
    const fresh = { verified: true, verifiedAt: new Date(now).toISOString() };
    const lastRun = closed("cve", { state: "incomplete" });
    const status = async () => engineStatus({ providers: [providerStatus("cve", { ...fresh, lastRun })] });
    const cli = fakeCli(fakeEngine({ status }));
    expect(await cli.run("status", "--check")).toBe(1);
    expect(cli.stderr.text).toContain("Check failed: the last run of cve ended incomplete");
  });

  test("shows and checks the one provider that is asked for", async () => {
    const fresh = { verified: true, verifiedAt: new Date(now).toISOString() };
    const status = async () =>
      engineStatus({ providers: [providerStatus("cve", fresh), providerStatus("cwe")] });
    const cli = fakeCli(fakeEngine({ status }));
    expect(await cli.run("status", "cve", "--check")).toBe(0);
    expect(cli.stdout.text).toContain("cve");
    expect(cli.stdout.text).not.toContain("cwe");
    expect(await fakeCli(fakeEngine({ status })).run("status", "cwe", "--check")).toBe(1);
    expect(await fakeCli(fakeEngine({ status })).run("status", "nvd")).toBe(2);
  });

  test("--check ends with 1 for a pause alone, and says by whom and why", async () => {
    const fresh = { verified: true, verifiedAt: new Date(now).toISOString() };
    const withMachine = (machine: MachineStatus) =>
      fakeEngine({
        status: async () => engineStatus({ providers: [providerStatus("cve", { ...fresh, machine })] }),
      });
    const cli = fakeCli(withMachine(paused));
    expect(await cli.run("status", "--check")).toBe(1);
    expect(cli.stderr.text).toBe("Check failed: cve was paused 10 min ago by ann@desk: NVD moves house.\n");
    expect(await fakeCli(withMachine(machineStatus("TERMINATED"))).run("status", "--check")).toBe(0);
  });
});

describe("uee checkpoints", () => {
  const checkpoint = {
    urn: "v2e::nvd::cve::CVE-2021-44228",
    runId: "run-1",
    batch: "w0/0",
    pass: 1,
    records: 2_000,
    at: "2026-03-15T11:00:00.000Z",
    success: true,
    error: null,
  };

  test("asks for what was asked for and prints a table or JSON", async () => {
    const asked: unknown[] = [];
    const engine = fakeEngine({
      checkpoints: async (provider, options) => {
        void asked.push([provider, options]);
        return [checkpoint];
      },
    });
    const table = fakeCli(engine);
    expect(await table.run("checkpoints", "cve")).toBe(0);
    expect(table.stdout.text).toContain("v2e::nvd::cve::CVE-2021-44228    2,000");
    const json = fakeCli(engine);
    await json.run("checkpoints", "cve", "--limit", "5", "--failed", "--json");
    expect(json.json()).toEqual({ checkpoints: [checkpoint] });
    expect(asked).toEqual([
      ["cve", { limit: 20, failed: false }],
      ["cve", { limit: 5, failed: true }],
    ]);
  });
});
