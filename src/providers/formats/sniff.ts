import { UeeError } from "../../core/errors.ts";

export type ContentKind = "gzip" | "zip" | "xml" | "json" | "text";

/** Enough bytes to pass over a byte order mark, white space and a comment line before the first tag. */
const LOOK = 1024;

/**
 * What a body is by its first bytes; file names and content types of mirrors are often wrong. `text` is anything else.
 * Throws PROV_TRUNCATED for an empty body, PROV_HTML for a web page and PROV_NOT_UTF8 for UTF-16.
 */
export function sniffContent(body: Buffer): ContentKind {
  if (body[0] === 0x1f && body[1] === 0x8b) return "gzip";
  if (body[0] === 0x50 && body[1] === 0x4b && body[2]! <= 0x06) return "zip";
  if ((body[0] === 0xff && body[1] === 0xfe) || (body[0] === 0xfe && body[1] === 0xff)) {
    throw new UeeError("PROV_NOT_UTF8", "The answer is UTF-16; UEE reads UTF-8.");
  }
  const head = body
    .subarray(0, LOOK)
    .toString("utf8")
    .replace(/^\uFEFF?[ \t\r\n]*/, "");
  if (head === "") throw new UeeError("PROV_TRUNCATED", "The answer is empty.");
  if (/^<(?:!doctype\s+html|html)\b/i.test(head)) throw new UeeError("PROV_HTML");
  if (head.startsWith("<")) return "xml";
  if (head.startsWith("{") || head.startsWith("[")) return "json";
  return "text";
}

/** The kind of a stream of bytes, and the same bytes from their beginning. Throws what `sniffContent` throws. */
export async function recognise(
  source: AsyncIterable<Buffer>,
): Promise<{ kind: ContentKind; bytes: AsyncGenerator<Buffer> }> {
  const pieces = source[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  let ended = false;
  for (let length = 0; length < LOOK && !ended; ) {
    const next = await pieces.next();
    if (next.done) ended = true;
    else {
      first.push(next.value);
      length += next.value.length;
    }
  }
  const head = Buffer.concat(first);
  return { kind: sniffContent(head), bytes: joined(head, pieces, ended) };
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>, ended: boolean): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (let next = ended ? undefined : await rest.next(); next && !next.done; next = await rest.next()) {
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}
