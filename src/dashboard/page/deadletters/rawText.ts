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
