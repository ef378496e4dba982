/** Classifies failed answers and broken exchanges: the table of the upstreams' error protocol. */
import type { ErrorCode } from "../core/errors.ts";
import { type ForeignPattern, type ForeignTable, matchForeign } from "../core/foreignErrors.ts";
import { brokenCertificate, brokenCompression } from "../core/systemErrors.ts";

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
  const told = (code: "PROV_THROTTLED" | "PROV_FORBIDDEN", ms: number, said: string): Verdict => ({
    code,
    detail: `The upstream answered ${status}${said}`,
    wait: { kind: "told", ms, code },
  });
  if (status === 429) return told("PROV_THROTTLED", retryAfterMs ?? defaultThrottleMs, ".");
  if (status === 403) {
    const said = ": its firewall's throttle, or a refused key or address.";
    return told("PROV_FORBIDDEN", Math.max(defaultThrottleMs, retryAfterMs ?? 0), said);
  }
  if (status >= 500 || status === 408) {
    const wait = { kind: "overload", atLeastMs: retryAfterMs ?? 0 } as const;
    return { code: "PROV_OVERLOADED", detail: `The upstream answered ${status}.`, wait };
  }
  if (status === 407) return { code: "PROV_PROXY", detail: proxyWantsPassword };
  if (status === 401) return { code: "PROV_BAD_KEY", detail: "The upstream answered 401." };
  if (status === 404) return judgeNotFound(message);
  if (status < 400) {
    const code = status >= 200 && status < 300 ? "PROV_TRUNCATED" : "PROV_WRONG_SHAPE";
    return { code, detail: `The upstream answered ${status} where 200 was due.` };
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

const row = (when: ForeignPattern["when"], as: ErrorCode, says: string): ForeignPattern => ({
  when,
  as,
  says,
});

/** Waiting for the response, after the request was sent. */
const slowAnswers: ForeignTable = {
  library: "undici",
  patterns: [
    row({ code: /^UND_ERR_HEADERS_TIMEOUT$/ }, "PROV_TIMEOUT", "The upstream did not answer in time."),
    row({ code: /^UND_ERR_BODY_TIMEOUT$/ }, "PROV_STALLED", "No byte of the answer came for too long."),
  ],
};

const brokenProxies: ForeignTable = {
  library: "undici, between us and a proxy",
  patterns: [
    row({ message: /^Proxy (response|Authentication Required) \(407\)/ }, "PROV_PROXY", proxyWantsPassword),
    row(
      { message: /^Proxy response \(4\d\d\)/ },
      "PROV_PROXY",
      "The proxy refused to connect to the upstream: {}.",
    ),
    row({ code: /^UND_ERR_SOCKS5_AUTH/ }, "PROV_PROXY", "The socks proxy refused us: {}."),
    row(
      { message: /^Username and password required for authentication$/ },
      "PROV_PROXY",
      "The socks proxy wants a user and a password.",
    ),
  ],
};

/** In any phase. */
const brokenExchanges: ForeignTable = {
  library: "undici, TLS and zlib",
  patterns: [
    row({ code: brokenCertificate }, "PROV_TLS", "The upstream's certificate was refused: {}"),
    row(
      { code: /^UND_ERR_INVALID_ARG$/, message: /^invalid apikey header$/i },
      "PROV_BAD_KEY",
      "The API key holds a character that no key has.",
    ),
    row(
      { code: /^(ERR_INVALID_URL|UND_ERR_INVALID_ARG)$/ },
      "PROV_BAD_REQUEST",
      "The request cannot be sent: {}",
    ),
    row(
      { code: /^(Z_BUF_ERROR|ERR_STREAM_PREMATURE_CLOSE)$/ },
      "PROV_TRUNCATED",
      "The compressed answer ended too early.",
    ),
    row({ code: brokenCompression }, "PROV_BAD_ENCODING", "The answer cannot be unpacked: {}"),
  ],
};

const brokenBodies: ForeignTable = {
  library: "undici, while the body comes",
  patterns: [row({}, "PROV_TRUNCATED", "The answer broke off: {}")],
};

const brokenConnections: ForeignTable = {
  library: "undici, before the body",
  patterns: [
    row({ name: /^HTTPParserError$/ }, "PROV_WRONG_SHAPE", "The answer is not HTTP: {}"),
    row({ code: /^UND_ERR_HEADERS_OVERFLOW$/ }, "PROV_WRONG_SHAPE", "The answer is not HTTP: {}"),
    row({}, "PROV_CONNECTION", "The connection to the upstream failed: {}"),
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

/** The longest wait that one header can impose. */
const longestMs = 24 * 3_600_000;

/**
 * Ms that `Retry-After` requests (seconds or an HTTP date); undefined when it is absent, zero, past or invalid. A
 * date is compared with the answer's own `Date`, so that the clocks need not agree.
 */
export function readRetryAfter(headers: Record<string, string>, nowMs: number): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (!text) return undefined;
  let ms: number;
  if (/^\d+(\.\d+)?$/.test(text)) {
    ms = Number(text) * 1000;
  } else {
    const told = Date.parse(headers.date ?? "");
    ms = Date.parse(text) - (Number.isNaN(told) ? nowMs : told);
  }
  return ms > 0 ? Math.min(ms, longestMs) : undefined;
}
