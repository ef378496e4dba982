import { describe, expect, test } from "@jest/globals";
import { readQuery } from "../../../src/simulator/cve/query.ts";

const read = (query: string): ReturnType<typeof readQuery> => readQuery(new URLSearchParams(query));
const refusal = (query: string): { message?: string } | undefined => {
  const answer = read(query);
  return "refusal" in answer ? answer.refusal : undefined;
};
const window = (start: string, end: string): string => `lastModStartDate=${start}&lastModEndDate=${end}`;
const badDate = "Invalid ISO 8601 date/time format, see documentation.";

describe("NVD's parameters", () => {
  test("default to the first 2,000 and are read in any case", () => {
    expect(read("")).toEqual({ startIndex: 0, resultsPerPage: 2_000, filter: {} });
    expect(read("STARTINDEX=4000&resultsperpage=10&cveid=cve-2021-44228&noRejected&HasKev=")).toEqual({
      startIndex: 4_000,
      resultsPerPage: 10,
      filter: { ids: ["CVE-2021-44228"], noRejected: true, match: { haskev: "" } },
    });
  });

  test.each([
    ["2024-01-01T00:00:00.000Z", Date.UTC(2024, 0, 1)],
    ["2024-01-01T00:00:00z", Date.UTC(2024, 0, 1)],
    ["2024-01-01T01:00:00%2B01:00", Date.UTC(2024, 0, 1)],
    ["2023-12-31T19:00:00.000-05:00", Date.UTC(2024, 0, 1)],
    ["2024-01-01T00%3A00%3A00.000Z", Date.UTC(2024, 0, 1)],
  ])("take the date %s", (text, ms) => {
    expect(read(window(text, "2024-02-01T00:00:00Z"))).toMatchObject({ filter: { modifiedFrom: ms } });
  });

  test.each([
    "2024-01-01T00:00:00.000",
    "2024-01-01T00:00:00-05",
    "2024-01-01T00:00:00+01:00",
    "2024-01-01",
    "2024-13-01T00:00:00Z",
    "now",
  ])("refuse the date %s", (text) => {
    expect(refusal(window(text, "2024-02-01T00:00:00Z"))).toEqual({ message: badDate });
  });

  test("refuse a start without an end, giving no reason", () => {
    expect(refusal("lastModStartDate=2024-01-01T00:00:00Z")).toEqual({});
    expect(refusal("pubEndDate=2024-01-01T00:00:00Z")).toEqual({});
  });

  test("take 120 days and not a millisecond more", () => {
    expect(refusal(window("2024-01-01T00:00:00.000Z", "2024-04-30T00:00:00.000Z"))).toBeUndefined();
    expect(refusal(window("2024-01-01T00:00:00.000Z", "2024-04-30T00:00:00.001Z"))).toEqual({
      message: "Date range cannot exceed 120 days",
    });
    expect(refusal(window("2024-02-01T00:00:00Z", "2024-01-01T00:00:00Z"))?.message).toMatch(
      /start is after/,
    );
  });

  test.each([
    "cvssV3Severity=critical",
    "cvssV2Severity=LOW&cweId=cwe-79",
    "keywordSearch=buffer overflow&keywordExactMatch",
    "cpeName=cpe:2.3:a:acme:cms:1.2.3:*:*:*:*:*:*:*&isVulnerable",
    "virtualMatchString=cpe:2.3:a:acme&versionStart=1.0&versionStartType=including",
    "kevStartDate=2024-01-01T00:00:00Z&kevEndDate=2024-02-01T00:00:00Z",
    "hasCertAlerts&hasCertNotes&hasOval&cveTag=disputed&sourceIdentifier=cve@mitre.org",
    "cveIds=CVE-2021-44228,cve-2020-1234567",
    "cvssV4Metrics=AV:N/AC:L",
  ])("take %s", (query) => {
    expect(refusal(query)).toBeUndefined();
  });

  test.each([
    ["cvssV2Severity=CRITICAL", /cvssV2Severity/],
    ["cvssV3Severity=NONE", /cvssV3Severity/],
    ["cvssV2Severity=LOW&cvssV3Severity=LOW", /cannot be combined/],
    ["cweId=79", /cweId/],
    ["cpeName=cpe:2.3:a:acme", /cpeName/],
    ["keywordExactMatch", /keywordsearch/],
    ["isVulnerable", /cpename/],
    ["virtualMatchString=cpe:2.3:a:acme&versionStart=1.0", /versionstarttype/],
    [`cveIds=${Array.from({ length: 101 }, () => "CVE-2020-0001").join(",")}`, /cveIds/],
    ["cveTag=odd", /cveTag/],
  ])("refuse %s", (query, message) => {
    expect(refusal(query)?.message).toMatch(message);
  });

  test("name what they do not know", () => {
    expect(refusal("apiKey=1234")).toEqual({ message: "Invalid parameter: apiKey" });
    expect(refusal("resultsPerPage=2001")).toEqual({
      message: "resultsPerPage parameter cannot exceed 2000.",
    });
    expect(refusal("resultsPerPage=0")?.message).toMatch(/resultsPerPage/);
    expect(refusal("startIndex=-1")?.message).toMatch(/startIndex/);
    expect(refusal("cveId=1234")?.message).toMatch(/cveId/);
  });
});
