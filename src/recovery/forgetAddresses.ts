/** Older versions stored the addresses of upstreams as they were configured, with credentials. They are removed here. */
import type { Logger } from "../core/logger.ts";
import type { RedisConnections } from "../redis/connect.ts";
import { readInfo } from "../redis/info.ts";
import type { ProviderKeys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";

const script = loadScript(new URL("./lua/forgetAddresses-5.lua", import.meta.url));

/**
 * Called whenever an engine opens, since older workers of the same fleet may have written since. A Redis that refuses
 * writes at this moment is no reason not to open: the next engine does it.
 */
export async function forgetAddresses(
  { of, servers }: Pick<RedisConnections, "of" | "servers">,
  providers: readonly ProviderKeys[],
  logger: Logger,
): Promise<void> {
  try {
    const dropped = await Promise.all(
      providers.map(async (keys) => {
        const names = [keys.meta, keys.runs, keys.replayRuns, keys.openRun, keys.replayRun];
        return Number(await script.run(of(keys.tag), names, [keys.run("").run]));
      }),
    );
    const values = dropped.reduce((sum, count) => sum + count, 0);
    if (values === 0) return;
    logger.warn(
      { event: "addresses_dropped", values },
      "An older version had stored the addresses of upstreams, which may hold credentials; they are dropped. " +
        "Backups of Redis made before may still hold them.",
    );
    // The append-only file holds every command until it is rewritten.
    for (const { redis } of await servers()) {
      if ((await readInfo(redis))?.aof_enabled === "1") await redis.bgrewriteaof();
    }
  } catch (error) {
    logger.debug({ event: "addresses_kept", err: error }, "addresses of upstreams could not be looked for");
  }
}
