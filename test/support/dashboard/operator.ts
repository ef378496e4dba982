/** A fleet as an operator has it: `uee up` with two workers, a Redis that keeps its data, and upstreams that obey the test. */

import { environmentOf } from "../../../src/cli/commands/simulate.ts";
import type { Simulator } from "../../../src/simulator/index.ts";
import { startSimulator } from "../../../src/simulator/index.ts";
import { bareEnv, startUee, type UeeProcess } from "../../e2e/cliSupport.ts";
import { startRedis, type TestRedis } from "../redisServer.ts";

export const token = "a-token-for-tests-only";

export interface OperatorFleet {
  redis: TestRedis;
  simulator: Simulator;
  up: UeeProcess;
  /** Where the dashboard is. */
  url: string;
  close(): Promise<void>;
}

export async function startOperatorFleet(): Promise<OperatorFleet> {
  const redis = await startRedis({ appendonly: true });
  const simulator = await startSimulator({ cves: 30_000, extremes: false });
  const up = startUee(["up", "--workers", "2", "--port", "0"], {
    env: bareEnv({
      REDIS_URL: redis.url,
      UEE_REDIS_CHECKS: "off",
      UEE_LOG_FORMAT: "json",
      UEE_API_TOKEN: token,
      UEE_HOST: "127.0.0.1",
      UEE_SCHEDULES: "off",
      UEE_WAIT_SCALE: "0.01",
      ...environmentOf(simulator),
      // A run that lasts long enough to be watched, also on a machine that is busy: fifteen batches of the API, one a second.
      UEE_CVE_RATE: "1/1s",
      UEE_CVE_FEEDS_URL: "off",
    }),
  });
  await up.said('"event":"listening"');
  return {
    redis,
    simulator,
    up,
    url: /"url":"(http:[^"]+)"/.exec(up.stderr)![1]!,
    async close() {
      up.kill("SIGTERM");
      await up.ended;
      await simulator.close();
      await redis.stop();
    },
  };
}
