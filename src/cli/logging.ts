/** Logs of a command: to stderr, JSON lines for machines, readable ones on a terminal, sampled in both. */
import { type Logger, makeLogger } from "../core/logger.ts";
import { sampleLines } from "./logSampling.ts";

/**
 * json: as they are. pretty: readable, with all fields. brief: for somebody who watches bars: only what is wrong (a
 * warning, or a line with a code), as `provider: message`.
 */
export type LogLook = "json" | "pretty" | "brief";

export interface CommandLog {
  logger: Logger;
  /** Tells what sampling has held back. */
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
  // Its own colours begin with escapes, which JSON writes out in what others wrote; these it does not.
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
