/** The log of a command: to stderr, as JSON lines or, on a terminal, in readable form; sampled in both cases. */
import { type Logger, makeLogger } from "../core/logger.ts";
import { sampleLines } from "./logSampling.ts";

/**
 * json: unchanged. pretty: readable, with all fields. brief: for a user who watches progress bars: only warnings and
 * lines with a code, as `provider: message`.
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
  const sampler = sampleLines((line) => {
    if (options.look !== "brief" || isTrouble(line)) options.write(format(line).trimEnd());
  });
  return { logger: makeLogger({ level: options.level, destination: sampler }), flush: sampler.flush };
}

const warnLevel = 40;

function isTrouble(line: string): boolean {
  const { level, code } = JSON.parse(line) as { level: number; code?: string };
  return level >= warnLevel || code !== undefined;
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
