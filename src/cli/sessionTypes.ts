import type { Redis } from "ioredis";
import type { Config } from "../config/index.ts";
import type { Logger } from "../core/logger.ts";
import type { Engine, StopOptions, StopReport } from "../engine/api.ts";
import type { RedisChoice } from "../session/chooseRedis.ts";

/** Options that every command takes; they override environment and file. */
export interface GlobalFlags {
  config?: string;
  redisUrl?: string;
  dataDir?: string;
  prefix?: string;
  logLevel?: string;
}

export interface SessionRequest extends RedisChoice {
  /** command: gives up on Redis after 5 s at start and 120 s later; service: waits for ever. */
  patience: "command" | "service";
  flags: GlobalFlags;
  /** Do not judge the server's fitness: the caller does. */
  anyRedis?: boolean;
  /** Instead of the process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Where formatted log lines go; default: stderr. */
  logTo?: (line: string) => void;
  /** Called once, before Redis is waited for: for services that answer meanwhile. */
  onConfig?: (known: { config: Config; logger: Logger }) => Promise<void>;
}

export interface Session {
  readonly engine: Engine;
  readonly config: Config;
  /** For what only looks at the server itself. */
  readonly redis: Redis;
  readonly logger: Logger;
  /** For child processes. */
  readonly redisUrl: string;
  /** The same as it may be shown. */
  readonly redisDisplay: string;
  /** Path of the local server's data, where one is used. */
  readonly localStore: string | undefined;
  /** Set when cve loads from NVD itself without an API key. */
  readonly keyless: boolean;
  /** Fires, with SYS_REDIS_UNREACHABLE as reason, when Redis stayed away for too long. */
  readonly lost: AbortSignal;
  /** Lets go of everything; what is called again gives the same. Never rejects. */
  close(options?: StopOptions): Promise<StopReport>;
}
