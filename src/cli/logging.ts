/** Logs of a command: to stderr, JSON lines for machines, readable ones on a terminal, sampled in both. */
import { type Logger, makeLogger } from "../core/logger.ts";
import { sampleLines } from "./logSampling.ts";

export interface CommandLog {
  logger: Logger;
  /** Tells what sampling has held back. */
  flush(): void;
}

export interface CommandLogOptions {
  level: string;
  /** Readable lines instead of JSON. */
  readable: boolean;
  colours: boolean;
  /** One line without its end. */
  write: (line: string) => void;
}

export async function makeCommandLog(options: CommandLogOptions): Promise<CommandLog> {
  const format = options.readable ? await readableFormat(options.colours) : (line: string) => line;
  const sampler = sampleLines((line) => options.write(format(line).trimEnd()));
  return { logger: makeLogger({ level: options.level, destination: sampler }), flush: sampler.flush };
}

async function readableFormat(colours: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize: colours,
    translateTime: "SYS:HH:MM:ss",
    ignore: "pid,hostname,event",
    singleLine: true,
  });
}
