/**
 * Limits repeated log lines: the first lines of each error code pass, the rest is counted and reported now and then
 * as one line. A damaged feed may set thousands of records aside, each with a line. Lines that are fatal or have no
 * `code` always pass.
 */
const fatalLevel = 60;

export interface LineSampler {
  write(line: string): void;
  /** Reports the number of suppressed lines; also called at the end of the process. */
  flush(): void;
}

interface Seen {
  count: number;
  hidden: number;
  level: number;
}

export function sampleLines(
  write: (line: string) => void,
  { first = 5, everyMs = 10_000, now = Date.now } = {},
): LineSampler {
  const codes = new Map<string, Seen>();
  let toldAt = now();
  const flush = () => {
    toldAt = now();
    for (const [code, seen] of codes) {
      if (seen.hidden === 0) continue;
      const summary = {
        level: seen.level,
        time: new Date(toldAt).toISOString(),
        pid: process.pid,
        event: "sampled",
        code,
        hidden: seen.hidden,
        total: seen.count,
        msg: `${code}: ${seen.hidden} more not shown, ${seen.count} so far`,
      };
      seen.hidden = 0;
      write(`${JSON.stringify(summary)}\n`);
    }
  };
  return {
    write(line) {
      const marked = codeOf(line);
      if (!marked) {
        write(line);
      } else {
        const seen = codes.get(marked.code) ?? { count: 0, hidden: 0, level: marked.level };
        codes.set(marked.code, seen);
        seen.count++;
        seen.level = Math.max(seen.level, marked.level);
        if (seen.count <= first) write(line);
        else seen.hidden++;
      }
      if (now() - toldAt >= everyMs) flush();
    },
    flush,
  };
}

/** The code is in the line itself or in the error that it reports. */
function codeOf(line: string): { code: string; level: number } | undefined {
  if (!line.includes('"code":"')) return undefined;
  try {
    const { code, err, level } = JSON.parse(line) as {
      code?: unknown;
      err?: { code?: unknown };
      level?: unknown;
    };
    const found = code ?? err?.code;
    return typeof found === "string" && typeof level === "number" && level < fatalLevel
      ? { code: found, level }
      : undefined;
  } catch {
    return undefined;
  }
}
