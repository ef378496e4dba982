/** A mirror of the simulator's CVEs that `uee serve` offers to clients of NVD. */
import { silentLogger } from "../../../src/core/logger.ts";
import { listenServe } from "../../../src/outlets/nvd/server.ts";
import { startSimulator } from "../../../src/simulator/index.ts";
import { startRedis } from "../redisServer.ts";
import { exported, openTestEngine } from "../testEngine.ts";
import { until } from "../until.ts";

export interface ServedMirror {
  /** Origins of the server and of the simulator. */
  readonly url: string;
  readonly simulatorUrl: string;
  /** id → record. */
  readonly stored: ReadonlyMap<string, unknown>;
  close(): Promise<void>;
}

export async function startServedMirror(cves: number): Promise<ServedMirror> {
  const redis = await startRedis({});
  const simulator = await startSimulator({ cves, extremes: false });
  const uee = await openTestEngine(redis.url, {
    providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } },
  });
  const run = await uee.run("cve", "full");
  if (run.state !== "complete") throw new Error(`the mirror was not loaded: ${run.error?.message}`);
  const stopped = new AbortController();
  const server = await listenServe({ logger: silentLogger(), port: 0 });
  const serving = server.serve(uee.engine, stopped.signal);
  await until(async () => (await fetch(`${server.url}/readyz`)).ok);
  return {
    url: server.url,
    simulatorUrl: new URL(simulator.urls.cve).origin,
    stored: await exported(uee.engine, "cve"),
    async close() {
      stopped.abort();
      await serving;
      await server.close();
      await uee.close();
      await simulator.close();
      await redis.stop();
    },
  };
}
