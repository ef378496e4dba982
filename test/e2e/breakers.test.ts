/** A breaker as an operator uses it: sees it, asks the doctor, closes it. */
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import type { BreakerView } from "../../src/engine/api.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, startUee, uee, until } from "./cliSupport.ts";

let redis: TestRedis;
let simulator: Simulator;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 100, cwes: 40, capecs: 30, attackObjects: 120 });
  // An hour each time it opens, and no time between attempts to speak of.
  env = bareEnv({ REDIS_URL: redis.url, UEE_WAIT_SCALE: "0.2", ...environmentOf(simulator) });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
});
afterEach(killAll);

const capec = async (): Promise<BreakerView> =>
  JSON.parse((await uee(["breakers", "--json"], { env })).stdout).breakers.find(
    ({ upstream }: BreakerView) => upstream === "capec",
  );

test("an upstream that fails is seen, explained, and taken up again when a person says that it is mended", async () => {
  expect((await capec()).state).toBe("closed");
  simulator.setFaults(["reset:capec"]);
  const run = startUee(["run", "capec", "--wait", "--json"], { env });
  await until("the breaker opens", async () => (await capec()).state === "open");
  await run.said("breaker_transition");

  const shown = await uee(["breakers"], { env });
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.stdout).toMatch(/capec +open .*PROV_CONNECTION/);
  expect((await uee(["status"], { env })).stdout).toMatch(
    /circuit breaker (open|half open) for .* failures in a row/,
  );

  const asked = simulator.counts().requests.capec;
  const doctor = await uee(["doctor"], { env });
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toMatch(/FAIL +upstream capec +not asked: The circuit breaker of capec is .*open/);
  // The doctor sent nothing there; a probe of the run's own may have fallen into that time.
  const { counts } = await capec();
  expect(simulator.counts().requests.capec - asked).toBeLessThanOrEqual(1);
  expect(simulator.counts().requests.capec).toBeLessThanOrEqual(counts.calls);

  simulator.clearFaults();
  const reset = await uee(["breakers", "reset", "capec", "--reason", "mended"], { env });
  expect(reset.code).toBe(0);
  const { code, stdout } = await run.ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout).runs[0]).toMatchObject({
    state: "complete",
    deadLettered: 0,
    requests: simulator.counts().requests.capec,
  });
  expect((await uee(["history", "capec"], { env })).stdout).toMatch(/breaker closed → open/);
});
