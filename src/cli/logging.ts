/** The log of a command: to stderr, as JSON lines or, on a terminal, in readable form; sampled in both cases. */
import { type ErrorCode, errorCatalog, retryable } from "../core/errorCatalog.ts";
import { type Logger, makeLogger } from "../core/logger.ts";

/**
 * json: unchanged. pretty: readable, with all fields. brief: for a user who watches progress bars: only warnings that the
 * bars do not show, as `provider: message`.
 */
export type LogLook = "json" | "pretty" | "brief";

export interface CommandLog {
  logger: Logger;
  /** Reports the lines that sampling has suppressed. */
  flush(): void;
}

export interface CommandLogOptions {
  level: string;
  look: LogLook;
  colours: boolean;
  /** One line without its end. */
  write: (line: string) => void;
}

export async function makeCommandLog(options: CommandLogOptions): Promise<CommandLog> {
  const format = await formatOf(options.look, options.colours);
  const sampler = sampleLines((line) => options.write(format(line).trimEnd()));
  const write = (line: string): void => {
    if (options.look !== "brief" || isNews(line)) sampler.write(line);
  };
  return { logger: makeLogger({ level: options.level, destination: { write } }), flush: sampler.flush };
}

const warnLevel = 40;

/** A warning that the bars do not show, because it is about a wait or an attempt of a provider, which passes by itself. */
function isNews(line: string): boolean {
  const { level, code, provider } = JSON.parse(line) as { level: number; code?: string; provider?: string };
  const entry = errorCatalog[code as ErrorCode] as (typeof errorCatalog)[ErrorCode] | undefined;
  const passes = provider !== undefined && entry !== undefined && retryable(entry.class);
  return level >= warnLevel && !passes;
}

async function formatOf(look: LogLook, colours: boolean): Promise<(line: string) => string> {
  if (look === "json") return (line) => line;
  const readable = await readableFormat(look, colours);
  // Our own colours begin with escapes; JSON has escaped those of foreign text.
  return (line) => readable(line).replace(/[\u0080-\u009f]/g, "\ufffd");
}

async function readableFormat(look: "pretty" | "brief", colours: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  const common = { colorize: colours, translateTime: "SYS:HH:MM:ss", singleLine: true };
  if (look === "pretty") return prettyFactory({ ...common, ignore: "pid,hostname,event" });
  return prettyFactory({
    ...common,
    // Everything but time, level and message.
    include: "time,level",
    messageFormat: (log, messageKey) => {
      const { provider } = log;
      return `${typeof provider === "string" ? `${provider}: ` : ""}${String(log[messageKey])}`;
    },
  });
}

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

/**
 * Limits repeated log lines: the first lines of each error code pass, the rest is counted and reported now and then
 * as one line. A damaged feed may set thousands of records aside, each with a line. Lines that are fatal or have no
 * `code` always pass.
 */
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
