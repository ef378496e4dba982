import { UeeError } from "../../core/errors.ts";

export type ContentKind = "zip" | "xml" | "json";

/** Enough bytes to pass over a byte order mark, white space and a comment line before the first tag. */
const LOOK = 1024;

/**
 * What a body is by its first bytes; file names and content types of mirrors are not to be trusted.
 * Throws PROV_TRUNCATED for an empty body, PROV_HTML for a web page, PROV_NOT_UTF8 for UTF-16 and PROV_WRONG_SHAPE for
 * anything else.
 */
export function sniffContent(body: Buffer): ContentKind {
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
  throw new UeeError("PROV_WRONG_SHAPE", "The answer is neither zip, XML nor JSON.");
}
