import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { cleanCause } from "./foreignErrors.ts";

export type Logger = PinoLogger;

/** Paths whose values are never shown, wherever they are logged. */
const redactedPaths = [
  "apiKey",
  "password",
  "token",
  "authorization",
  "*.apiKey",
  "*.password",
  "*.token",
  "*.authorization",
  "headers.apikey",
  "headers.apiKey",
  "*.headers.apikey",
  "*.headers.apiKey",
];

/** Logs go to stderr: stdout is for results. */
export function makeLogger(
  options: { level?: string; pretty?: boolean; destination?: DestinationStream } = {},
): Logger {
  const base = {
    level: options.level ?? "info",
    redact: { paths: redactedPaths, censor: "[redacted]" },
    base: { pid: process.pid },
    // For errors that are logged unprocessed: libraries attach requests and commands to theirs.
    serializers: { err: (error: unknown) => pino.stdSerializers.err(cleanCause(error) as Error) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (options.destination) return pino(base, options.destination);
  if (options.pretty) {
    return pino({
      ...base,
      transport: { target: "pino-pretty", options: { destination: 2, colorize: process.stderr.isTTY } },
    });
  }
  return pino(base, pino.destination({ fd: 2, sync: true }));
}

export const silentLogger = (): Logger => pino({ level: "silent" });
