/** What an answer that is none, or an exchange that broke, is called: the table of the upstreams' error protocol. */
import type { ErrorCode } from "../core/errors.ts";
import { readRetryAfter } from "./retryAfter.ts";

/** What the upstream wants of the whole fleet, in unscaled ms. */
export type Wait =
  | { kind: "told"; ms: number; code: "PROV_THROTTLED" | "PROV_FORBIDDEN" }
  | { kind: "overload"; atLeastMs: number };

export interface Verdict {
  code: ErrorCode;
  detail: string;
  wait?: Wait;
  /** Known already, scaled. */
  retryAfterMs?: number;
  data?: Record<string, unknown>;
}

/** A 429 with `Retry-After: 0` or none, and every 403, waits one window of the strictest upstream. */
const defaultThrottleMs = 30_000;

/** Judges an answer whose status is neither 200, 304 nor a redirect. */
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

/** NVD says with 404 and a `message` header what others say with 400. */
function judgeNotFound(message: string | undefined): Verdict {
  if (!message) return { code: "PROV_NOT_FOUND", detail: "The upstream answered 404." };
  const detail = `The upstream answered 404: ${message}`;
  if (/apikey/i.test(message)) return { code: "PROV_BAD_KEY", detail };
  const cap = /resultsPerPage\D*cannot exceed\D*(\d+)/i.exec(message)?.[1];
  if (cap) return { code: "PROV_PAGE_CAP", detail, data: { cap: Number(cap) } };
  return { code: "PROV_BAD_REQUEST", detail };
}

const tlsCode =
  /^(CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|CRL_|UND_ERR_PRX_TLS)/;
const brokenEncoding = /^(Z_|ERR_BROTLI|ERR__ERROR_FORMAT|ERR_ZLIB|ERR_PADDING|ERR_TRAILING_JUNK)/;

/** Where the exchange stood when it broke. */
export type Phase = "connect" | "head" | "body";

/** Judges what undici, Node's sockets or its decoders threw. Their texts hold hosts and ports, never headers. */
export function judgeFailure(error: unknown, phase: Phase): Verdict {
  const { code, name, message } = describe(error);
  const said = message || code || "unknown";
  if (code === "UND_ERR_HEADERS_TIMEOUT" && phase !== "connect") {
    return {
      code: "PROV_TIMEOUT",
      detail: "The upstream did not answer in time.",
      wait: { kind: "overload", atLeastMs: 0 },
    };
  }
  if (code === "UND_ERR_BODY_TIMEOUT") {
    return { code: "PROV_STALLED", detail: "No byte of the answer came for too long." };
  }
  if (tlsCode.test(code))
    return { code: "PROV_TLS", detail: `The upstream's certificate was refused: ${said}` };
  if (code === "ERR_INVALID_URL" || code === "UND_ERR_INVALID_ARG") {
    return { code: "PROV_BAD_REQUEST", detail: `The request cannot be sent: ${said}` };
  }
  if (code === "Z_BUF_ERROR" || code === "ERR_STREAM_PREMATURE_CLOSE") {
    return { code: "PROV_TRUNCATED", detail: "The compressed answer ended too early." };
  }
  if (brokenEncoding.test(code)) {
    return { code: "PROV_BAD_ENCODING", detail: `The answer cannot be unpacked: ${said}` };
  }
  if (phase === "body") return { code: "PROV_TRUNCATED", detail: `The answer broke off: ${said}` };
  if (name === "HTTPParserError" || code === "UND_ERR_HEADERS_OVERFLOW") {
    return { code: "PROV_WRONG_SHAPE", detail: `The answer is not HTTP: ${said}` };
  }
  return { code: "PROV_CONNECTION", detail: `The connection to the upstream failed: ${said}` };
}

function describe(error: unknown): { code: string; name: string; message: string } {
  if (typeof error !== "object" || error === null) return { code: "", name: "", message: String(error) };
  const { code, name, message, errors } = error as Record<string, unknown>;
  // Several addresses were tried at once and each failed for itself.
  if (Array.isArray(errors) && errors.length > 0 && !message) return describe(errors[0]);
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return { code: text(code), name: text(name), message: text(message) };
}
