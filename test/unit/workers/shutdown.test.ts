import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { makeLogger } from "../../../src/core/logger.ts";
import { ShutdownHooks, shutDown } from "../../../src/workers/shutdown.ts";

/** A logger whose lines can be read. */
function listening() {
  const lines: { event: string; step: string }[] = [];
  const logger = makeLogger({
    destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
  });
  return { lines, logger };
}

const forEver = () => new Promise<never>(() => undefined);

test("hooks run by their order, equal ones as they were registered, one after the other", async () => {
  const hooks = new ShutdownHooks();
  const ran: string[] = [];
  const note = (name: string, ms: number) => async () => {
    ran.push(`${name} begins`);
    await sleep(ms);
    ran.push(`${name} ends`);
  };
  hooks.add("second", note("second", 1));
  hooks.add("third", note("third", 1));
  hooks.add("first", note("first", 20), { order: 1 });
  const off = hooks.add("taken out again", note("never", 0), { order: 0 });
  off();
  const { logger, lines } = listening();
  expect(await shutDown(hooks.steps(), { deadlineMs: 60_000, logger })).toEqual({ left: [] });
  expect(ran).toEqual(["first", "second", "third"].flatMap((name) => [`${name} begins`, `${name} ends`]));
  expect(lines).toEqual([]);
});

test("one that hangs is told by its signal, named, and delays the others by its time-out alone", async () => {
  const hooks = new ShutdownHooks();
  const ran: string[] = [];
  let reason: unknown;
  hooks.add(
    "hangs",
    (signal) => {
      signal.addEventListener("abort", () => {
        reason = signal.reason;
      });
      return forEver();
    },
    { timeoutMs: 30 },
  );
  hooks.add("after it", () => void ran.push("after it"));
  const { logger, lines } = listening();
  const { left } = await shutDown(hooks.steps(), { deadlineMs: 60_000, logger });
  expect(left).toEqual(["hook hangs: not done after 30 ms"]);
  expect(reason).toMatchObject({ code: "SYS_SHUTDOWN" });
  expect(ran).toEqual(["after it"]);
  expect(lines).toMatchObject([{ event: "shutdown_late", step: "hook hangs" }]);
});

test.each([
  [
    "throws at once",
    (): void => {
      throw new Error("no");
    },
  ],
  [
    "rejects",
    async () => {
      throw new Error("no");
    },
  ],
])("one that %s is named, and the next one runs", async (_how, hook) => {
  const hooks = new ShutdownHooks();
  const ran: string[] = [];
  hooks.add("bad", hook);
  hooks.add("after it", () => void ran.push("after it"));
  const { logger, lines } = listening();
  const { left } = await shutDown(hooks.steps(), { deadlineMs: 60_000, logger });
  expect(left).toEqual(["hook bad: SYS_INTERNAL: no"]);
  expect(ran).toEqual(["after it"]);
  expect(lines).toMatchObject([{ event: "shutdown_failed", step: "hook bad" }]);
});

test("the deadline bounds everything; what comes after it is still begun", async () => {
  const begun: string[] = [];
  const step = (name: string) => ({
    name,
    timeoutMs: 60_000,
    run: () => {
      begun.push(name);
      return forEver();
    },
  });
  const { logger } = listening();
  const { left } = await shutDown([step("a"), step("b"), step("c")], { deadlineMs: 50, logger });
  expect(begun).toEqual(["a", "b", "c"]);
  expect(left).toHaveLength(3);
});

test("a step may name what is left in its own words", async () => {
  const { logger } = listening();
  const left = () => ["batch cve/b-1"];
  const hanging = { name: "batches", timeoutMs: 20, run: forEver, left };
  expect(await shutDown([hanging], { deadlineMs: 60_000, logger })).toEqual({ left: ["batch cve/b-1"] });
});
