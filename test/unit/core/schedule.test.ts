import { describe, expect, test } from "@jest/globals";
import { formatSchedule, nextCron, parseSchedule } from "../../../src/core/schedule.ts";

describe("a schedule", () => {
  test.each([
    ["2h", { every: 7_200_000 }],
    [" 90m ", { every: 5_400_000 }],
    ["7d", { every: 604_800_000 }],
    ["0 */2 * * *", { cron: "0 */2 * * *" }],
    ["30  3\t* * MON", { cron: "30 3 * * MON" }],
    ["15 30 3 * * *", { cron: "15 30 3 * * *" }],
    ["@daily", { cron: "@daily" }],
    ["off", "off"],
    ["OFF", "off"],
  ])("is read from %j", (text, schedule) => {
    expect(parseSchedule(text)).toEqual({ schedule });
  });

  test.each([["2h"], ["90m"], ["7d"], ["30 3 * * MON"], ["off"]])("is written as %s again", (text) => {
    const read = parseSchedule(text);
    expect("schedule" in read && formatSchedule(read.schedule)).toBe(text);
  });

  test.each([
    ["soon", ""],
    ["", ""],
    ["30s", "between 1m and 366d"],
    ["400d", "between 1m and 366d"],
    ["* * *", "five fields, this has 3"],
    ["* * * * * * *", "five fields, this has 7"],
    ["61 * * * *", "its minute cannot be read"],
    ["0 24 * * *", "its hour cannot be read"],
    ["0 0 32 * *", "its day of the month cannot be read"],
    ["0 0 * FOO *", "its month cannot be read"],
    ["0 0 * * 9", "its day of the week cannot be read"],
    ["H 3 * * *", "its minute cannot be read"],
    ["0 0 30 2 *", "no such day"],
    ["@fortnightly", "@daily"],
  ])("is refused as %j, with what is wrong and without the text", (text, problem) => {
    const read = parseSchedule(text);
    expect("problem" in read && read.problem).toContain(problem);
    expect("problem" in read && problem !== "" && read.problem.includes(text)).toBe(false);
  });

  test("by cron is in UTC, whatever the machine's zone", () => {
    const next = nextCron("30 3 * * *", Date.parse("2026-03-29T00:00:00.000Z"));
    expect(new Date(next).toISOString()).toBe("2026-03-29T03:30:00.000Z");
  });
});
