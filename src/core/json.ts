import { isUtf8 } from "node:buffer";
import { UeeError } from "./errors.ts";

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Characters that JSON must escape, or that JSON.stringify escapes for well-formedness (lone surrogates). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly the characters JSON escapes
const needsEscape = /[\u0000-\u001f"\\\ud800-\udfff]/;

const quote = (text: string): string => (needsEscape.test(text) ? JSON.stringify(text) : `"${text}"`);

/**
 * The canonical JSON of a value from JSON.parse: keys sorted by code unit, no white space. Two values are equal after
 * JSON.parse exactly when their canonical texts are.
 */
export function canonicalJson(value: unknown): string {
  try {
    return canonical(value);
  } catch (error) {
    // Too deep for the stack: only records from before the bounds existed, or records that are about to be refused.
    if (!(error instanceof RangeError)) throw error;
    return flatCanonical(value);
  }
}

function canonical(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value !== "object") {
    // JSON.stringify writes -0 as 0, which JSON.parse distinguishes.
    if (Object.is(value, -0)) return "-0";
    return value === undefined ? "null" : JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) {
      if (i > 0) text += ",";
      text += canonical(value[i]);
    }
    return `${text}]`;
  }
  const object = value as JsonObject;
  const keys = Object.keys(object);
  for (let i = 1; i < keys.length; i++) {
    if (keys[i]! < keys[i - 1]!) {
      keys.sort();
      break;
    }
  }
  let text = "{";
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (i > 0) text += ",";
    text += `${quote(key)}:${canonical(object[key])}`;
  }
  return `${text}}`;
}

/** The same without recursion. */
function flatCanonical(value: unknown): string {
  const pieces: string[] = [];
  /** Values still to be written, last first: texts directly, values in boxes. */
  const todo: (string | { value: unknown })[] = [{ value }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (typeof next === "string") {
      pieces.push(next);
    } else if (Array.isArray(next.value)) {
      todo.push("]");
      for (let i = next.value.length - 1; i >= 0; i--) {
        todo.push({ value: next.value[i] });
        if (i > 0) todo.push(",");
      }
      pieces.push("[");
    } else if (isObject(next.value)) {
      const keys = Object.keys(next.value).sort();
      todo.push("}");
      for (let i = keys.length - 1; i >= 0; i--) {
        todo.push({ value: next.value[keys[i]!] }, `${i > 0 ? "," : ""}${quote(keys[i]!)}:`);
      }
      pieces.push("{");
    } else {
      pieces.push(canonical(next.value));
    }
  }
  return pieces.join("");
}

/** JSON.stringify, or canonical JSON for values that are too deep for it. */
export function jsonText(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, null, indent);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return flatCanonical(value);
  }
}

/** Bytes to a value. Invalid UTF-8 and invalid JSON are corrupt answers with different codes. A BOM is skipped. */
export function parseJsonBytes(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new UeeError("PROV_NOT_UTF8");
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = bytes.toString("utf8", start);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UeeError("PROV_BAD_JSON", `The answer is not valid JSON: ${whyNotJson(error)}.`);
  }
}

/** The reason why JSON.parse refused a text, without the quotation in its message: it may be a secret. */
export const whyNotJson = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/, (\.\.\.)?".*" is not valid JSON$/s, "");
