/** Dead letters from the command line, with no worker but the command itself. */
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, uee } from "./cliSupport.ts";

let redis: TestRedis;
let simulator: Simulator;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 50, cwes: 30, capecs: 5, attackObjects: 40 });
  env = bareEnv({ REDIS_URL: redis.url, UEE_WAIT_SCALE: "0.001", ...environmentOf(simulator) });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
});
afterEach(killAll);

const json = async (...args: string[]) => {
  const { code, stdout } = await uee([...args, "--json"], { env });
  return { code, said: JSON.parse(stdout) };
};

test("a download that gave up is listed, replayed once the upstream is mended, and leaves nothing", async () => {
  simulator.setFaults(["html-200:cwe"]);
  expect((await json("run", "cwe", "--wait")).code).toBe(1);
  const { said: list } = await json(
    "dlq",
    "list",
    "--provider",
    "cwe",
    "--class",
    "exhausted",
    "--newer-than",
    "1h",
  );
  expect(list).toMatchObject({
    total: 1,
    cursor: null,
    deadLetters: [{ code: "PROV_HTML", attempts: 8, state: "dead" }],
  });
  const { id } = list.deadLetters[0];
  expect((await uee(["dlq", "show", id], { env })).stdout).toContain("PROV_HTML");

  const again = await json("dlq", "replay", id);
  expect(again).toMatchObject({
    code: 1,
    said: { done: 1, ended: [{ kind: "replay", state: "incomplete" }] },
  });
  simulator.clearFaults();
  expect((await json("dlq", "replay", "--code", "PROV_HTML", "--dry-run")).said).toMatchObject({
    dryRun: true,
    done: 1,
  });
  const mended = await json("dlq", "replay", "--code", "PROV_HTML", "--reason", "mended");
  expect(mended).toMatchObject({ code: 0, said: { done: 1, ended: [{ state: "complete", created: 30 }] } });
  expect((await json("dlq", "stats")).said).toMatchObject({ total: 0 });
  expect(await json("run", "cwe", "--wait")).toMatchObject({
    code: 0,
    said: { runs: [{ state: "complete", unchanged: 30 }] },
  });
  const { said } = await json("history", "cwe");
  expect(said.history.find(({ kind }: { kind: string }) => kind === "dead-letters")).toMatchObject({
    ...{ what: "dead letters: replayed 1", reason: "mended" },
  });
});

test("bad records are accepted, and purged only when it is said twice", async () => {
  simulator.setFaults(["bad-record(wrong-list)@0.2:attack"]);
  const first = await json("run", "attack", "--wait");
  const { deadLettered, error } = first.said.runs[0];
  expect([first.code, error?.code]).toEqual([1, "PROV_BAD_RECORDS"]);
  expect(deadLettered).toBeGreaterThan(0);
  expect((await json("dlq", "accept", "--provider", "attack", "--reason", "known")).said.done).toBe(
    deadLettered,
  );
  expect(await json("run", "attack", "--wait")).toMatchObject({
    code: 0,
    said: { runs: [{ state: "complete" }] },
  });

  const unsure = await uee(["dlq", "purge", "--provider", "attack"], { env });
  expect([unsure.code, unsure.stderr]).toEqual([1, expect.stringContaining("API_UNCONFIRMED")]);
  expect(unsure.stdout).toContain("would be lost");
  expect((await json("dlq", "stats")).said.total).toBe(deadLettered);
  expect(await json("dlq", "purge", "--provider", "attack", "--yes")).toMatchObject({
    ...{ code: 0, said: { done: deadLettered, lost: { records: deadLettered } } },
  });
  expect((await uee(["dlq", "list"], { env })).stdout).toBe("No dead letters.\n");
});
