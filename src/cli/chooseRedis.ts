/** Which Redis a command uses: the one named, or the local server of the data directory. */
import type { Config } from "../config/index.ts";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { SessionRequest } from "./sessionTypes.ts";

export interface ChosenRedis {
  url: string;
  /** The local server's data directory. */
  localStore: string | undefined;
  /** Lets go of a local server. */
  release(): Promise<void>;
}

export async function chooseRedis(
  kind: SessionRequest["redis"],
  config: Config,
  _logger: Logger,
  _signal: AbortSignal | undefined,
): Promise<ChosenRedis> {
  if (config.redisUrl !== undefined) {
    return { url: config.redisUrl, localStore: undefined, release: async () => {} };
  }
  if (kind === "required") throw new UeeError("SYS_REDIS_REQUIRED");
  throw new UeeError("SYS_REDIS_MISSING");
}
