import { describe, expect, test } from "@jest/globals";
import { readArguments } from "../../../src/simulator/arguments.ts";

describe("The simulator's flags", () => {
  test("say everything the options can", () => {
    const { options, exitWithParent } = readArguments(
      [
        "--port=0",
        "--cves",
        "500",
        "--seed",
        "9",
        "--fault",
        "reset@0.1",
        "--fault=all@0.10",
        "--nvd-rate",
        "5/30s/50",
        "--api-key",
        "k",
        "--point",
        "after",
        "--no-gzip",
        "--exit-with-parent",
        "--shared-data",
        "/data",
        "--extremes",
        "--odd-times",
      ],
      {},
    );
    expect(exitWithParent).toBe(true);
    expect(options).toMatchObject({
      port: 0,
      cves: 500,
      seed: 9,
      faults: ["reset@0.1", "all@0.10"],
      nvdRate: { max: 5, windowMs: 30_000, keyMax: 50 },
      apiKeys: ["k"],
      point: "after",
      gzip: false,
      extremes: true,
      oddTimes: true,
      dataset: { sharedData: "/data" },
    });
  });

  test("go before the environment, which says the same", () => {
    const env = { UEE_SIM_CVES: "7", UEE_SIM_FAULT: "reset stall" };
    expect(readArguments([], env).options).toMatchObject({ cves: 7, faults: ["reset", "stall"] });
    expect(readArguments(["--cves", "8", "--fault", "slow"], env).options).toMatchObject({
      cves: 8,
      faults: ["slow"],
    });
  });

  test.each([
    [["--cvs", "5"], /Unknown option .--cvs./],
    [["--cves", "many"], /whole number, not 'many'/],
    [["--cves"], /argument missing/],
    [["--point", "now"], /before or after, not 'now'/],
    [["--nvd-rate", "fast"], /MAX\/WINDOW/],
    [["stray"], /Unexpected argument .stray./],
  ])("refuse %j with what would be right", (argv, message) => {
    expect(() => readArguments(argv, {})).toThrow(message);
  });
});
