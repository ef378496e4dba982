/** The environment of a command. `main.ts` provides the real process; tests provide a fake one. */
import type { Writable } from "node:stream";
import type { Config } from "../config/index.ts";
import type { Logger } from "../core/logger.ts";
import type { Engine, StopOptions, StopReport } from "../engine/api.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { RedisChoice } from "../session/openMirror.ts";
import type { HealthSubject } from "../workers/healthServer.ts";
import type { Answering } from "../workers/supervision/channel.ts";

export type Terminal = Writable & { isTTY?: boolean; columns?: number; rows?: number };

/** The signals with which a user or a platform stops the process. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Interrupts {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  readonly caught: StopSignal | undefined;
  /** Stops listening: the next signal has its default effect. */
  release(): void;
}

/** Options of every command; they override environment and file. */
export interface GlobalFlags {
  config?: string;
  redisUrl?: string;
  dataDir?: string;
  prefix?: string;
  logLevel?: string;
}

export interface CliContext {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** The script that was started (bin/uee); child workers are started from it too. */
  readonly script: string;
  now(): number;
  /** Names of all registered providers; loads neither configuration nor Redis. */
  providerNames(): Promise<readonly string[]>;
  /** From now on the first signal is handled here; the second one ends the process at once. */
  interrupts(): Interrupts;
  /** Answers the supervisor that started this process. Undefined: the process has no supervisor. */
  readonly supervised: ((report: () => HealthSubject) => Answering) | undefined;
  /** Configuration → Redis → engine. */
  open(request: SessionRequest): Promise<Session>;
}

export interface SessionRequest extends RedisChoice {
  /** command: gives up on Redis after 5 s at start and 120 s later; service: waits without limit. */
  patience: "command" | "service";
  flags: GlobalFlags;
  /** Skips the check of the server; the caller checks. */
  anyRedis?: boolean;
  /** Replaces the process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Destination of formatted log lines; default: stderr. */
  logTo?: (line: string) => void;
  /** Called once, before the wait for Redis: for services that answer meanwhile. */
  onConfig?: (known: { config: Config; logger: Logger }) => Promise<void>;
}

export interface Session {
  readonly engine: Engine;
  readonly config: Config;
  /** For commands that only look at the server. */
  readonly redis: RedisConnections;
  readonly logger: Logger;
  /** For child processes. */
  readonly redisUrl: string;
  /** The same for display, without secrets. */
  readonly redisDisplay: string;
  /** Path of the local server's data, when one is used. */
  readonly localStore: string | undefined;
  /** Set when cve loads from NVD itself without an API key. */
  readonly keyless: boolean;
  /** Fires, with SYS_REDIS_UNREACHABLE as reason, when Redis stayed away for too long. */
  readonly lost: AbortSignal;
  /** Releases everything; a second call has no further effect. Never rejects. */
  close(options?: StopOptions): Promise<StopReport>;
}
