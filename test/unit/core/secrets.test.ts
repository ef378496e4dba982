/**
 * Law 9: no secret leaves configuration. Whatever a library throws with a secret in it, where libraries put them, nothing
 * of it is in the error that UEE makes of it: not in its text, not in its cause, not in a log line of it.
 */
import { inspect } from "node:util";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { toUeeError, UeeError } from "../../../src/core/errors.ts";
import { makeLogger } from "../../../src/core/logger.ts";
import {
  fingerprint,
  makeScrubber,
  redactRedisUrl,
  redactUrl,
  redactValue,
  secretsInUrl,
} from "../../../src/core/secrets.ts";
import { mapQueueError } from "../../../src/queues/bullmqErrors.ts";
import { mapRedisError } from "../../../src/redis/errors.ts";
import { judgeFailure } from "../../../src/upstream/failures.ts";

/** Distinct from all that our texts say; with the characters that passwords have. */
const secret = fc
  .string({ minLength: 8, maxLength: 40, unit: fc.constantFrom(..."abcXYZ0189-_.~!$*+%") })
  .map((text) => `s3cr3t${text}`);

/** Where libraries and servers put secrets into texts. */
const texts: [string, (secret: string) => string][] = [
  ["the password of an address", (s) => `connect ECONNREFUSED redis://uee:${s}@host:6379/0`],
  ["an address without user", (s) => `getaddrinfo ENOTFOUND (rediss://:${s}@redis.internal)`],
  ["a token for a user", (s) => `failed to fetch https://${s}@host/path?x=1`],
  ["a proxy's address", (s) => `Proxy response (407) for http://user:${s}@proxy:3128`],
  ["a password with what should have been escaped", (s) => `Invalid URL: redis://uee:${s}/x@y@host`],
  ["a parameter", (s) => `GET /rest/json/cves/2.0?apiKey=${s}&startIndex=0 failed`],
  ["a later parameter", (s) => `https://host/feed?page=2&access_token=${s} answered 500`],
  ["a parameter of any name", (s) => `https://host/feed?k=${s} answered 500`],
  ["a bare query", (s) => `(see https://host/feed?${s}).`],
  ["a query beside parameters of ours", (s) => `https://host/feed?startIndex=0&sig=${s}&page=2, twice`],
  ["a header", (s) => `invalid header value: { apiKey: '${s}' }`],
  ["a header in JSON", (s) => `request failed {"headers":{"x-api-key":"${s}","a":1}}`],
  ["an authorization", (s) => `Authorization: Bearer ${s}`],
  ["an authorization in an object", (s) => `{ authorization: 'Basic ${s}' }`],
  ["a cookie", (s) => `set-cookie: ${s}; HttpOnly`],
  [
    "a command that Redis does not know",
    (s) => `ERR unknown command 'AUTH', with args beginning with: 'u' '${s}'`,
  ],
  ["a command", (s) => `Command failed: AUTH uee ${s}`],
  ["a greeting", (s) => `Protocol error at HELLO 3 AUTH uee ${s} SETNAME x`],
  ["an assignment", (s) => `spawn failed: NVD_API_KEY=${s} node worker.js`],
  ["a setting", (s) => `requirepass: '${s}' is not valid`.replace("requirepass", "password")],
];

/** What libraries hang on their errors. */
const properties: [string, (secret: string) => object][] = [
  ["ioredis' command", (s) => ({ command: { name: "auth", args: ["uee", s] } })],
  ["Node's input", (s) => ({ code: "ERR_INVALID_URL", input: `redis://u:${s}@` })],
  ["undici's request", (s) => ({ code: "UND_ERR_SOCKET", socket: { headers: [`apiKey: ${s}`] } })],
  ["undici's proxy", (s) => ({ code: "UND_ERR_PRX_TLS", opts: { token: `Basic ${s}` } })],
  ["a cause", (s) => ({ cause: new Error(`https://u:${s}@host`) })],
  ["errors of several addresses", (s) => ({ errors: [new Error(`redis://u:${s}@host`)] })],
  ["previous errors", (s) => ({ previousErrors: [new Error(`ERR AUTH ${s}`)] })],
];

const codes = [
  "",
  "ECONNREFUSED",
  "ENOENT",
  "CERT_HAS_EXPIRED",
  "UND_ERR_HEADERS_TIMEOUT",
  "Z_DATA_ERROR",
  "EACCES",
];

const mappers: [string, (error: Error) => unknown][] = [
  ["toUeeError", toUeeError],
  ["mapRedisError", mapRedisError],
  ["mapQueueError", mapQueueError],
  ...(["connect", "head", "body"] as const).map((phase): [string, (error: Error) => unknown] => [
    `judgeFailure, ${phase}`,
    (error) => {
      const { code, detail } = judgeFailure(error, phase);
      return new UeeError(code, detail, { cause: error });
    },
  ]),
  ["an error of ours that quotes it", (error) => new UeeError("SYS_DISK", `It says: ${error.message}`)],
];

function logged(error: unknown): string {
  const lines: string[] = [];
  const logger = makeLogger({ destination: { write: (line: string) => void lines.push(line) } });
  logger.error({ err: error }, "something went wrong");
  return lines.join();
}

/** All that can be seen of it. */
function shown(error: unknown): string {
  return [
    inspect(error, { depth: 10, showHidden: true }),
    JSON.stringify(error),
    String(error),
    logged(error),
  ].join("\n");
}

describe.each(mappers)("%s shows no secret", (_name, map) => {
  test.each(texts)("of %s", (_where, text) => {
    fc.assert(
      fc.property(secret, fc.constantFrom(...codes), (planted, code) => {
        const error = Object.assign(new Error(text(planted)), code ? { code } : {});
        expect(shown(map(error))).not.toContain(planted);
      }),
      { numRuns: 10 },
    );
  });

  test.each(properties)("in %s", (_where, property) => {
    fc.assert(
      fc.property(secret, (planted) => {
        const error = Object.assign(new Error("EXECABORT x"), property(planted));
        expect(shown(map(error))).not.toContain(planted);
      }),
      { numRuns: 10 },
    );
  });
});

test("nor does the log show it of an error that is logged as it came", () => {
  fc.assert(
    fc.property(
      secret,
      fc.constantFrom(...texts),
      fc.constantFrom(...properties),
      (planted, [, text], [, property]) => {
        expect(logged(Object.assign(new Error(text(planted)), property(planted)))).not.toContain(planted);
      },
    ),
  );
});

test.each([
  "Redis says: OOM command not allowed when used memory > 'maxmemory'.",
  "connect ECONNREFUSED 127.0.0.1:6379",
  "https://services.nvd.nist.gov/rest/json/cves/2.0?startIndex=0&resultsPerPage=2000 answered 500",
  "Write redis://host:6379/0, or rediss:// for TLS.",
  "getaddrinfo ENOTFOUND api.example.org",
  "The record has no valid id (key cve.id).",
])("a text without secrets stays as it is: %s", (text) => {
  expect(new UeeError("SYS_DISK", text).detail).toBe(text);
});

describe("an address", () => {
  test.each([
    ["https://a.example/x", "https://a.example/x"],
    ["https://user:pass@a.example/x", "https://***@a.example/x"],
    ["https://token@a.example:8443/x#part", "https://***@a.example:8443/x"],
    ["https://a.example/gh/org/repo@main/x.json", "https://a.example/gh/org/repo@main/x.json"],
    [
      "https://a.example/x?apiKey=abc&startIndex=0&page=2&word",
      "https://a.example/x?apiKey=***&startIndex=0&page=***&***",
    ],
    ["https://a.example/x?", "https://a.example/x"],
    ["http://user:p/a?s#s@proxy", "http://***@proxy"],
    ["user:secret@proxy:3128", "***@proxy:3128"],
  ])("%s is shown as %s", (address, expected) => {
    expect(redactUrl(address)).toBe(expected);
  });

  test("never shows user, password or query, whatever they are", () => {
    fc.assert(
      fc.property(secret, secret, secret, (user, password, token) => {
        const encode = encodeURIComponent;
        const address = `https://${encode(user)}:${encode(password)}@a.example/x?t=${encode(token)}`;
        const seen = redactUrl(address);
        for (const part of [user, password, token, ...[user, password, token].map(encode)]) {
          expect(seen).not.toContain(part);
        }
        const scrub = makeScrubber(secretsInUrl(address));
        expect(scrub(`no ${user} with ${password}: ${token} ${encode(token)}`)).not.toMatch(/s3cr3t/);
      }),
    );
  });

  test("of Redis keeps its user", () => {
    expect(redactRedisUrl("redis://uee:pass@host:6379/0")).toBe("redis://uee:***@host:6379/0");
  });
});

test("nothing secret is left in an object, by name or by form", () => {
  const shown = redactValue({ apiKey: "a", url: ["https://u:s3cr3t@h/?x=s3cr3t"], n: 1, nothing: null });
  expect(shown).toEqual({ apiKey: "[redacted]", url: ["https://[redacted]@h/?x=***"], n: 1, nothing: null });
});

test("a fingerprint tells one secret from another and does not hold it", () => {
  expect(fingerprint("abcd-ef")).not.toBe(fingerprint("abcd-eg"));
  expect(fingerprint("abcd-ef")).not.toContain("abcd");
  expect(fingerprint(undefined)).toBe("none");
  expect(fingerprint("")).toBe("none");
});
