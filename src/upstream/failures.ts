/** Classifies failed answers and broken exchanges: the table of the upstreams' error protocol. */
import type { ErrorCode } from "../core/errors.ts";
import { type ForeignTable, matchForeign } from "../core/foreignErrors.ts";
import { brokenCertificate, brokenCompression } from "../core/systemErrors.ts";
import { readRetryAfter } from "./retryAfter.ts";

/** The wait that the upstream requires of the whole fleet, in unscaled ms. */
export type Wait =
  | { kind: "told"; ms: number; code: "PROV_THROTTLED" | "PROV_FORBIDDEN" }
  | { kind: "overload"; atLeastMs: number };

export interface Verdict {
  code: ErrorCode;
  detail: string;
  wait?: Wait;
  /** Already known and scaled. */
  retryAfterMs?: number;
  data?: Record<string, unknown>;
}

const proxyWantsPassword = "The proxy wants a user and a password, or refused them (407).";

/** A 429 with `Retry-After: 0` or none, and every 403, waits one window of the strictest upstream. */
const defaultThrottleMs = 30_000;

/**
 * Does the status promise the whole document? 203 is a 200 that a proxy modified; some caches answer 206 with a range
 * that covers everything although no range was requested.
 */
export function isWhole({ status, headers }: { status: number; headers: Record<string, string> }): boolean {
  if (status === 200 || status === 203) return true;
  const range =
    status === 206 ? /^bytes 0-(\d+)\/(\d+)$/i.exec(headers["content-range"]?.trim() ?? "") : null;
  return range !== null && BigInt(range[1]!) + 1n === BigInt(range[2]!);
}

/** Classifies an answer whose status is neither whole (see `isWhole`) nor 304 nor a redirect. */
export function judgeStatus(status: number, headers: Record<string, string>, nowMs: number): Verdict {
  const retryAfterMs = readRetryAfter(headers, nowMs);
  const message = headers.message?.trim();
  if (status === 429) {
    const ms = retryAfterMs ?? defaultThrottleMs;
    return {
      code: "PROV_THROTTLED",
      detail: "The upstream answered 429.",
      wait: { kind: "told", ms, code: "PROV_THROTTLED" },
    };
  }
  if (status === 403) {
    const ms = Math.max(defaultThrottleMs, retryAfterMs ?? 0);
    return {
      code: "PROV_FORBIDDEN",
      detail: "The upstream answered 403: its firewall's throttle, or a refused key or address.",
      wait: { kind: "told", ms, code: "PROV_FORBIDDEN" },
    };
  }
  if (status >= 500 || status === 408) {
    return {
      code: "PROV_OVERLOADED",
      detail: `The upstream answered ${status}.`,
      wait: { kind: "overload", atLeastMs: retryAfterMs ?? 0 },
    };
  }
  if (status === 407) return { code: "PROV_PROXY", detail: proxyWantsPassword };
  if (status === 401) return { code: "PROV_BAD_KEY", detail: "The upstream answered 401." };
  if (status === 404) return judgeNotFound(message);
  if (status >= 200 && status < 300) {
    return { code: "PROV_TRUNCATED", detail: `The upstream answered ${status} where 200 was due.` };
  }
  if (status < 400) {
    return { code: "PROV_WRONG_SHAPE", detail: `The upstream answered ${status} where 200 was due.` };
  }
  const said = message ? `: ${message}` : ".";
  return { code: "PROV_BAD_REQUEST", detail: `The upstream answered ${status}${said}` };
}

/** NVD reports with 404 and a `message` header what other upstreams report with 400. */
function judgeNotFound(message: string | undefined): Verdict {
  if (!message) return { code: "PROV_NOT_FOUND", detail: "The upstream answered 404." };
  const detail = `The upstream answered 404: ${message}`;
  if (/apikey/i.test(message)) return { code: "PROV_BAD_KEY", detail };
  const cap = /resultsPerPage\D*cannot exceed\D*(\d+)/i.exec(message)?.[1];
  if (cap) return { code: "PROV_PAGE_CAP", detail, data: { cap: Number(cap) } };
  return { code: "PROV_BAD_REQUEST", detail };
}

/** The phase of the exchange in which it broke. */
export type Phase = "connect" | "head" | "body";

/** Waiting for the response, after the request was sent. */
const slowAnswers: ForeignTable = {
  library: "undici",
  patterns: [
    {
      when: { code: /^UND_ERR_HEADERS_TIMEOUT$/ },
      as: "PROV_TIMEOUT",
      says: "The upstream did not answer in time.",
    },
    {
      when: { code: /^UND_ERR_BODY_TIMEOUT$/ },
      as: "PROV_STALLED",
      says: "No byte of the answer came for too long.",
    },
  ],
};

const brokenProxies: ForeignTable = {
  library: "undici, between us and a proxy",
  patterns: [
    {
      when: { message: /^Proxy (response|Authentication Required) \(407\)/ },
      as: "PROV_PROXY",
      says: proxyWantsPassword,
    },
    {
      when: { message: /^Proxy response \(4\d\d\)/ },
      as: "PROV_PROXY",
      says: "The proxy refused to connect to the upstream: {}.",
    },
    { when: { code: /^UND_ERR_SOCKS5_AUTH/ }, as: "PROV_PROXY", says: "The socks proxy refused us: {}." },
    {
      when: { message: /^Username and password required for authentication$/ },
      as: "PROV_PROXY",
      says: "The socks proxy wants a user and a password.",
    },
  ],
};

/** In any phase. */
const brokenExchanges: ForeignTable = {
  library: "undici, TLS and zlib",
  patterns: [
    { when: { code: brokenCertificate }, as: "PROV_TLS", says: "The upstream's certificate was refused: {}" },
    {
      when: { code: /^UND_ERR_INVALID_ARG$/, message: /^invalid apikey header$/i },
      as: "PROV_BAD_KEY",
      says: "The API key holds a character that no key has.",
    },
    {
      when: { code: /^(ERR_INVALID_URL|UND_ERR_INVALID_ARG)$/ },
      as: "PROV_BAD_REQUEST",
      says: "The request cannot be sent: {}",
    },
    {
      when: { code: /^(Z_BUF_ERROR|ERR_STREAM_PREMATURE_CLOSE)$/ },
      as: "PROV_TRUNCATED",
      says: "The compressed answer ended too early.",
    },
    {
      when: { code: brokenCompression },
      as: "PROV_BAD_ENCODING",
      says: "The answer cannot be unpacked: {}",
    },
  ],
};

const brokenBodies: ForeignTable = {
  library: "undici, while the body comes",
  patterns: [{ when: {}, as: "PROV_TRUNCATED", says: "The answer broke off: {}" }],
};

const brokenConnections: ForeignTable = {
  library: "undici, before the body",
  patterns: [
    { when: { name: /^HTTPParserError$/ }, as: "PROV_WRONG_SHAPE", says: "The answer is not HTTP: {}" },
    {
      when: { code: /^UND_ERR_HEADERS_OVERFLOW$/ },
      as: "PROV_WRONG_SHAPE",
      says: "The answer is not HTTP: {}",
    },
    { when: {}, as: "PROV_CONNECTION", says: "The connection to the upstream failed: {}" },
  ],
};

/** Errors of undici, Node's sockets and its decoders; the tables of a phase are searched in this order. */
export const upstreamErrors: Record<Phase, readonly ForeignTable[]> = {
  connect: [brokenProxies, brokenExchanges, brokenConnections],
  head: [slowAnswers, brokenProxies, brokenExchanges, brokenConnections],
  body: [slowAnswers, brokenExchanges, brokenBodies],
};

/** Classifies an error of undici, Node's sockets or its decoders. */
export function judgeFailure(error: unknown, phase: Phase): Verdict {
  for (const table of upstreamErrors[phase]) {
    const match = matchForeign(error, table);
    if (match === undefined) continue;
    const { code, detail } = match;
    return code === "PROV_TIMEOUT"
      ? { code, detail, wait: { kind: "overload", atLeastMs: 0 } }
      : { code, detail };
  }
  // The last table of each phase matches everything.
  return { code: "PROV_CONNECTION", detail: "The connection to the upstream failed." };
}
