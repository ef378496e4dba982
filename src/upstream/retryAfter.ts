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
