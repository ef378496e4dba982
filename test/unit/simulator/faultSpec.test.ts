import { describe, expect, test } from "@jest/globals";
import { isUeeError } from "../../../src/core/errors.ts";
import { faultNames, parseFault } from "../../../src/simulator/index.ts";

const refusal = (text: string): string => {
  try {
    parseFault(text);
  } catch (error) {
    if (isUeeError(error, "SYS_USAGE")) return error.detail;
    throw error;
  }
  throw new Error(`'${text}' was taken.`);
};

describe("A fault spec", () => {
  test("says name, argument, rate, requests, count and upstream in one word", () => {
    expect(parseFault("status-429(5)@0.25#3,7x2:cve")).toMatchObject({
      name: "status-429",
      arg: "5",
      rate: 0.25,
      nth: [3, 7],
      count: 2,
      upstream: "cve",
    });
    expect(parseFault("reset:/attack/index.json")).toMatchObject({
      name: "reset",
      path: "/attack/index.json",
    });
    expect(parseFault("all@10%")).toMatchObject({ name: "all", rate: 0.1, nth: [] });
    expect(parseFault("status-503x2")).toMatchObject({ name: "status-503", count: 2, rate: 1 });
  });

  test.each(faultNames)("can be written for %s in every form", (name) => {
    expect(parseFault(name)).toMatchObject({ name, rate: 1, count: Number.POSITIVE_INFINITY });
    expect(parseFault(`${name}@0.05`)).toMatchObject({ name, rate: 0.05 });
    if (name !== "bad-record") expect(parseFault(`${name}x3`)).toMatchObject({ name, count: 3 });
  });

  test("is refused with what is wrong and what would be right", () => {
    expect(refusal("stats-503@0.1")).toMatch(/no fault 'stats-503'\. Did you mean status-503\?/);
    expect(refusal("reset@1.5")).toMatch(/between 0 and 1/);
    expect(refusal("reset@200%")).toMatch(/between 0 and 1/);
    expect(refusal("reset#0")).toMatch(/count from 1/);
    expect(refusal("reset:nvd")).toMatch(/no upstream 'nvd'\. Use cve, cwe, capec, attack/);
    expect(refusal("bad-zip:capec")).toMatch(/cannot happen to capec, only to cwe/);
    expect(refusal("reset(5)")).toMatch(/takes no argument/);
    expect(refusal("bad-record@0.1#2")).toMatch(/strikes records, not requests/);
    expect(refusal("bad-record(odd)@0.1")).toMatch(/no kind 'odd'/);
    expect(refusal("Status 503")).toMatch(/is not a fault\. Write name/);
    expect(refusal("")).toMatch(/is not a fault/);
  });
});
