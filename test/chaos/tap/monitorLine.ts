/** One line of MONITOR, parsed only as far as the caller asks. */

export interface MonitorLine {
  /** ms, with fractions. */
  at: number;
  /** Inside of a script. */
  lua: boolean;
  /** Arguments from the command on, still escaped; latin-1 when unescaped. */
  args(limit?: number): string[];
  /** Lower case. */
  command: string;
  /** The first argument, unescapedd. */
  key: string;
  /** The place of a client; empty inside of scripts. */
  client: string;
}

const head = /^\+?(\d+\.\d+) \[\d+ ([^\]]*)\] "([^"]*)"/;

const escapes: Record<string, string> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b" };

const unescaped = (text: string): string =>
  text.includes("\\")
    ? text.replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex: string | undefined, letter: string) =>
        hex === undefined ? (escapes[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
      )
    : text;

/** Undefined for lines that are no command's (the first `+OK`). */
export function readMonitorLine(line: string): MonitorLine | undefined {
  const found = head.exec(line);
  if (!found) return undefined;
  const [whole, at, client, command] = found as unknown as [string, string, string, string];
  const args = (limit = Number.POSITIVE_INFINITY): string[] => {
    const out: string[] = [];
    let from = whole.length + 2;
    while (from < line.length + 1 && out.length < limit) {
      let end = from;
      // An escaped quote does not end it.
      for (;;) {
        end = line.indexOf('"', end);
        if (end < 0) return out;
        let slashes = 0;
        while (line[end - 1 - slashes] === "\\") slashes++;
        if (slashes % 2 === 0) break;
        end++;
      }
      out.push(unescaped(line.slice(from, end)));
      from = end + 3;
    }
    return out;
  };
  return {
    at: Number(at) * 1000,
    lua: client === "lua",
    client: client === "lua" ? "" : client,
    command: command.toLowerCase(),
    args,
    get key() {
      return args(1)[0] ?? "";
    },
  };
}

/** `"HSET k f v f v"` as fields. */
export const pairsOf = (flat: readonly string[]): Record<string, string> => {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return fields;
};

/** Texts come as latin-1 bytes; names and JSON are UTF-8. */
export const utf8 = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8");
