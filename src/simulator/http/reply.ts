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
  body: body.map((part) => (typeof part === "string" ? Buffer.from(part) : part)),
});

export const jsonReply = (value: unknown, status = 200): Reply =>
  reply(status, { "content-type": "application/json" }, JSON.stringify(value));

export const bodyLength = (body: readonly Buffer[]): number =>
  body.reduce((sum, { length }) => sum + length, 0);

/** The first `length` bytes. */
export function cut(body: readonly Buffer[], length: number): Buffer[] {
  const kept: Buffer[] = [];
  for (const chunk of body) {
    if (length <= 0) break;
    kept.push(chunk.subarray(0, length));
    length -= chunk.length;
  }
  return kept;
}
