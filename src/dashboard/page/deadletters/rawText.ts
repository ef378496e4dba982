/** Renders bytes. */

/** As text; valid JSON is indented. Invalid UTF-8 is shown as U+FFFD. */
export function readable(raw: Uint8Array): string {
  const text = new TextDecoder().decode(raw);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** `00000000  7b 22 69 64 …  {"id…`; `0000  7b 22 …` if there is room for 8 bytes per line only. */
export function hexLines(raw: Uint8Array, aLine: 8 | 16 = 16): string {
  const lines: string[] = [];
  for (let at = 0; at < raw.length; at += aLine) {
    const part = [...raw.subarray(at, at + aLine)];
    const digits = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    const address = at.toString(16).padStart(aLine / 2, "0");
    lines.push(`${address}  ${digits.padEnd(aLine * 3 - 1)}  ${text}`);
  }
  return lines.join("\n");
}

/** The field that a message names: `'metrics.0' of CVE-2021-1 is not …`, `CVE-2021-1: metrics.0: Invalid …`. */
export const fieldOf = (message: string): string | null =>
  /['`]([\w.@:-]{1,80})['`]/.exec(message)?.[1] ?? /^[\w-]+: ([\w.@-]{1,80}): /.exec(message)?.[1] ?? null;

/** Where readable JSON has the field with its value; null where it is not found. */
export function placeOf(text: string, field: string): { from: number; to: number } | null {
  let from = 0;
  // The names on the way, one after the other; numbers are places in lists.
  for (const name of field.split(".").filter((part) => !/^\d+$/.test(part))) {
    const at = text.indexOf(`"${name}":`, from);
    if (at < 0) return null;
    from = at;
  }
  if (from === 0 && !text.startsWith('"')) return null;
  const end = text.indexOf("\n", from);
  return { from, to: end < 0 ? text.length : end };
}
