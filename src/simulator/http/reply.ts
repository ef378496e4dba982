/** An answer before it is sent: status, headers and a body as shared chunks (never copied, never written to). */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer[];
}

export const reply = (
  status: number,
  headers: Record<string, string> = {},
  ...body: (Buffer | string)[]
): Reply => ({
  status,
  headers,
  body: body.map((part) => (typeof part === "string" ? Buffer.from(part, "utf8") : part)),
});

export const jsonReply = (value: unknown, status = 200): Reply =>
  reply(status, { "content-type": "application/json" }, JSON.stringify(value));

export const bodyLength = (body: readonly Buffer[]): number => {
  let length = 0;
  for (const chunk of body) length += chunk.length;
  return length;
};

/** The first `length` bytes. */
export function cut(body: readonly Buffer[], length: number): Buffer[] {
  const kept: Buffer[] = [];
  for (const chunk of body) {
    if (length <= 0) break;
    kept.push(chunk.length <= length ? chunk : chunk.subarray(0, length));
    length -= chunk.length;
  }
  return kept;
}

/** The body with some bytes put in at an offset. */
export function splice(body: readonly Buffer[], offset: number, bytes: Buffer): Buffer[] {
  const out: Buffer[] = [];
  let start = 0;
  for (const chunk of body) {
    const at = offset - start;
    if (at >= 0 && at < chunk.length) out.push(chunk.subarray(0, at), bytes, chunk.subarray(at));
    else out.push(chunk);
    start += chunk.length;
  }
  if (offset >= start) out.push(bytes);
  return out;
}

/** Where a text first occurs, looking into one chunk at a time; -1 when it does not. */
export function find(body: readonly Buffer[], text: string): number {
  let start = 0;
  for (const chunk of body) {
    const at = chunk.indexOf(text);
    if (at >= 0) return start + at;
    start += chunk.length;
  }
  return -1;
}
