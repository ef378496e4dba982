/** Providers that share ids: a KEV entry and an EPSS score are about a CVE. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Simulator, startSimulator, upstreamNames } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;
let id: string;

beforeAll(async () => {
  redis = await startRedis({});
  simulator = await startSimulator({ cves: 300 });
  uee = await openTestEngine(redis.url, {
    providers: Object.fromEntries(
      upstreamNames.map((name) => [name, { url: simulator.urls[name], rate: "unlimited" as const }]),
    ),
  });
  id = [...simulator.content("kev")][0]!.id;
});
afterAll(async () => {
  await uee.close();
  await simulator.close();
  await redis.stop();
});

const owner = async (text: string, options?: { provider?: string }): Promise<string | undefined> => {
  const found = await uee.engine.records.get(text, options);
  return found && "record" in found ? found.record.urn : undefined;
};

test("an id means the provider whose own ids have its form, whichever is loaded; the others are asked for", async () => {
  await uee.run("kev");
  await uee.run("epss");
  expect(await owner(id)).toBeUndefined();
  expect((await uee.engine.records.about(id)).map(({ provider }) => provider)).toEqual(["kev", "epss"]);
  await uee.run("cve");
  expect(await owner(id.toLowerCase())).toBe(`v2e::nvd::cve::${id}`);
  expect(await owner(id, { provider: "kev" })).toBe(`v2e::cisa::kev::${id}`);
  expect(await owner(`v2e::first::epss::${id}`)).toBe(`v2e::first::epss::${id}`);
  expect((await uee.engine.records.about(`v2e::cisa::kev::${id}`)).map(({ provider }) => provider)).toEqual([
    "cve",
    "kev",
    "epss",
  ]);
  await expect(uee.engine.records.get(id, { provider: "nvd" })).rejects.toThrow("nvd");
});
