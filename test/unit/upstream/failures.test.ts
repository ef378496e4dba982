import { describe, expect, test } from "@jest/globals";
import { errorCatalog } from "../../../src/core/errorCatalog.ts";
import { judgeFailure, judgeStatus, readRetryAfter } from "../../../src/upstream/failures.ts";

const now = Date.parse("2026-01-31T12:00:00Z");

describe("an upstream's status", () => {
  test.each([
    [429, {}, "PROV_THROTTLED", 30_000],
    [429, { "retry-after": "0" }, "PROV_THROTTLED", 30_000],
    [429, { "retry-after": "7" }, "PROV_THROTTLED", 7_000],
    [429, { "retry-after": "Sat, 31 Jan 2026 12:00:09 GMT" }, "PROV_THROTTLED", 9_000],
    [403, {}, "PROV_FORBIDDEN", 30_000],
    [403, { "retry-after": "7" }, "PROV_FORBIDDEN", 30_000],
    [403, { "retry-after": "70" }, "PROV_FORBIDDEN", 70_000],
  ])("%i with %j makes the fleet wait: %s", (status, headers, code, ms) => {
    const verdict = judgeStatus(status, headers, now);
    expect(verdict.wait).toEqual({ kind: "told", ms, code });
    expect(verdict.code).toBe(code);
    expect(errorCatalog[verdict.code].class).toBe("throttle");
  });

  test.each([408, 500, 502, 503, 504, 520, 522, 524])("%i is an overload", (status) => {
    const verdict = judgeStatus(status, {}, now);
    expect(verdict).toMatchObject({ code: "PROV_OVERLOADED", wait: { kind: "overload", atLeastMs: 0 } });
  });

  test("503 with Retry-After waits at least as long as it says", () => {
    const verdict = judgeStatus(503, { "retry-after": "120" }, now);
    expect(verdict.wait).toEqual({ kind: "overload", atLeastMs: 120_000 });
  });

  test.each([
    ["Invalid apiKey", "PROV_BAD_KEY"],
    ["Invalid apiKey.", "PROV_BAD_KEY"],
    ["Invalid ISO 8601 date/time format, see documentation.", "PROV_BAD_REQUEST"],
    ["Date range cannot exceed 120 days", "PROV_BAD_REQUEST"],
    [undefined, "PROV_NOT_FOUND"],
  ])(
    "404 with the message '%s' is %s, a matter of configuration that no batch waits for",
    (message, code) => {
      const verdict = judgeStatus(404, message === undefined ? {} : { message }, now);
      expect(verdict.code).toBe(code);
      expect(verdict.wait).toBeUndefined();
      expect(errorCatalog[verdict.code].class).toBe("configuration");
      if (message) expect(verdict.detail).toContain(message);
    },
  );

  test("404 about the page size says how large a page may be", () => {
    const verdict = judgeStatus(404, { message: "resultsPerPage parameter cannot exceed 1000." }, now);
    expect(verdict).toMatchObject({ code: "PROV_PAGE_CAP", data: { cap: 1000 } });
  });

  test.each([
    [401, "PROV_BAD_KEY"],
    [400, "PROV_BAD_REQUEST"],
    [410, "PROV_BAD_REQUEST"],
    [206, "PROV_TRUNCATED"],
    [304, "PROV_WRONG_SHAPE"],
  ])("%i is %s", (status, code) => {
    expect(judgeStatus(status, {}, now).code).toBe(code);
  });
});

describe("Retry-After", () => {
  test("as a date is measured by the upstream's own clock where it tells it", () => {
    const headers = { "retry-after": "Sat, 31 Jan 2026 13:00:05 GMT", date: "Sat, 31 Jan 2026 13:00:00 GMT" };
    expect(readRetryAfter(headers, now)).toBe(5_000);
  });

  test.each(["", "soon", "-5", "Sat, 31 Jan 2026 11:59:59 GMT"])("that says '%s' says nothing", (text) => {
    expect(readRetryAfter({ "retry-after": text }, now)).toBeUndefined();
  });

  test("of years is taken for a day", () => {
    expect(readRetryAfter({ "retry-after": "999999999" }, now)).toBe(86_400_000);
  });
});

describe("a broken exchange", () => {
  const coded = (code: string, name = "Error") => Object.assign(new Error(`it was ${code}`), { code, name });
  test.each([
    ["ECONNRESET", "head", "PROV_CONNECTION"],
    ["ECONNREFUSED", "connect", "PROV_CONNECTION"],
    ["ENOTFOUND", "connect", "PROV_CONNECTION"],
    ["EAI_AGAIN", "connect", "PROV_CONNECTION"],
    ["UND_ERR_SOCKET", "head", "PROV_CONNECTION"],
    ["UND_ERR_CONNECT_TIMEOUT", "connect", "PROV_CONNECTION"],
    ["UND_ERR_HEADERS_TIMEOUT", "head", "PROV_TIMEOUT"],
    ["UND_ERR_BODY_TIMEOUT", "body", "PROV_STALLED"],
    ["UND_ERR_SOCKET", "body", "PROV_TRUNCATED"],
    ["ECONNRESET", "body", "PROV_TRUNCATED"],
    ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "body", "PROV_TRUNCATED"],
    ["Z_BUF_ERROR", "body", "PROV_TRUNCATED"],
    ["Z_DATA_ERROR", "body", "PROV_BAD_ENCODING"],
    ["CERT_HAS_EXPIRED", "connect", "PROV_TLS"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "connect", "PROV_TLS"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "connect", "PROV_TLS"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "connect", "PROV_TLS"],
    ["UND_ERR_HEADERS_OVERFLOW", "head", "PROV_WRONG_SHAPE"],
    ["UND_ERR_INVALID_ARG", "connect", "PROV_BAD_REQUEST"],
  ] as const)("by %s at the %s is %s", (code, phase, expected) => {
    expect(judgeFailure(coded(code), phase).code).toBe(expected);
  });

  test("towards several addresses is told by the first of them", () => {
    const error = new AggregateError([coded("ECONNREFUSED")], "");
    const verdict = judgeFailure(error, "connect");
    expect(verdict.code).toBe("PROV_CONNECTION");
    expect(verdict.detail).toContain("ECONNREFUSED");
  });
});
