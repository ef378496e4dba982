import { EventEmitter } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { exitOfError, exitOfRuns, exitOfSignal, watchSignals } from "../../../src/cli/exits.ts";
import { UeeError } from "../../../src/core/errors.ts";
import { closed } from "./support.ts";

describe("exit codes", () => {
  test.each([
    ["SYS_USAGE", 2],
    ["SYS_CONFIG_INVALID", 2],
    ["SYS_REDIS_REQUIRED", 2],
    ["SYS_REDIS_MISSING", 2],
    ["SYS_REDIS_UNFIT", 2],
    ["PROV_UNKNOWN", 2],
    ["VAL_DATE", 2],
    ["SYS_REDIS_UNREACHABLE", 3],
    ["SYS_REDIS_LOCAL_FAILED", 3],
    ["SYS_DATA_DIR", 3],
    ["PROV_UNVERIFIED", 1],
    ["STOR_NOT_FOUND", 1],
    ["STOR_CURSOR_TRIMMED", 1],
    ["SYS_NO_STORE", 1],
    ["SYS_INTERNAL", 1],
  ] as const)("%s ends with %i", (code, exit) => {
    expect(exitOfError(new UeeError(code))).toBe(exit);
  });

  test("an unforeseen error ends with 1", () => {
    expect(exitOfError(new Error("boom"))).toBe(1);
  });

  test("of several providers the worst counts", () => {
    expect(exitOfRuns([closed("cve"), closed("cwe")])).toBe(0);
    for (const state of ["incomplete", "paused", "stopped", "failed", "running"] as const) {
      expect(exitOfRuns([closed("cve"), closed("cwe", { state })])).toBe(1);
    }
  });

  test("signals end with 128 and their number", () => {
    expect([exitOfSignal("SIGINT"), exitOfSignal("SIGTERM"), exitOfSignal("SIGHUP")]).toEqual([
      130, 143, 129,
    ]);
  });
});

describe("signals", () => {
  test("the first asks, the second ends at once with its own code", () => {
    const source = new EventEmitter();
    const exits: number[] = [];
    const interrupts = watchSignals(source, (code) => exits.push(code));
    expect(interrupts.signal.aborted).toBe(false);
    source.emit("SIGINT");
    expect(interrupts.signal.aborted).toBe(true);
    expect(interrupts.caught).toBe("SIGINT");
    expect(exits).toEqual([]);
    source.emit("SIGTERM");
    expect(exits).toEqual([143]);
    expect(interrupts.caught).toBe("SIGINT");
  });

  test("after release no listener is left", () => {
    const source = new EventEmitter();
    const interrupts = watchSignals(source, () => {});
    interrupts.release();
    source.emit("SIGINT");
    expect(interrupts.signal.aborted).toBe(false);
    expect(source.listenerCount("SIGTERM")).toBe(0);
  });
});
