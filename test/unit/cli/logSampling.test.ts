import { expect, test } from "@jest/globals";
import { makeCommandLog, sampleLines } from "../../../src/cli/logging.ts";

const line = (code: string | undefined, level = 40) => `${JSON.stringify({ level, code, msg: "x" })}\n`;

test("of each code the first five lines pass, the rest is counted", () => {
  const written: string[] = [];
  const sampler = sampleLines((text) => written.push(text));
  for (let i = 0; i < 100; i++) {
    sampler.write(line("VAL_RECORD_FIELD"));
    if (i < 3) sampler.write(line("PROV_THROTTLED"));
  }
  expect(written).toHaveLength(8);
  sampler.flush();
  expect(written).toHaveLength(9);
  expect(JSON.parse(written[8]!)).toMatchObject({
    code: "VAL_RECORD_FIELD",
    hidden: 95,
    total: 100,
    level: 40,
  });
  sampler.flush();
  expect(written).toHaveLength(9);
});

test("the code of a reported error counts as the line's", () => {
  const written: string[] = [];
  const sampler = sampleLines((text) => written.push(text));
  for (let i = 0; i < 20; i++)
    sampler.write('{"level":40,"err":{"code":"SYS_REDIS_UNREACHABLE"},"msg":"x"}\n');
  expect(written).toHaveLength(5);
});

test("counts are told now and then while lines keep coming", () => {
  let clock = 0;
  const written: string[] = [];
  const sampler = sampleLines((text) => written.push(text), { everyMs: 1_000, now: () => clock });
  for (let i = 0; i < 10; i++) sampler.write(line("PROV_HTML"));
  expect(written).toHaveLength(5);
  clock = 1_000;
  sampler.write(line("PROV_HTML"));
  expect(JSON.parse(written[5]!)).toMatchObject({ hidden: 6, total: 11 });
});

test("what is fatal and lines without a code are never held back", () => {
  const written: string[] = [];
  const sampler = sampleLines((text) => written.push(text));
  for (let i = 0; i < 20; i++) {
    sampler.write(line("SYS_INTERNAL", 60));
    sampler.write(line(undefined, 30));
    sampler.write('not json "code":"X"\n');
  }
  expect(written).toHaveLength(60);
});

test("readable lines for people carry level, message and code; secrets stay hidden", async () => {
  const written: string[] = [];
  const log = await makeCommandLog({
    level: "info",
    look: "pretty",
    colours: false,
    write: (text) => written.push(text),
  });
  log.logger.warn({ code: "PROV_THROTTLED", apiKey: "s3cret" }, "told to wait");
  log.logger.debug("not asked for");
  expect(written).toHaveLength(1);
  expect(written[0]).toMatch(/^\[\d\d:\d\d:\d\d\] WARN: told to wait .*"code":"PROV_THROTTLED"/);
  expect(written[0]).not.toContain("s3cret");
});

test("beside bars only warnings are told, short and with the provider", async () => {
  const written: string[] = [];
  const write = (text: string) => written.push(text);
  const { logger } = await makeCommandLog({ level: "info", look: "brief", colours: false, write });
  logger.info({ provider: "cve", runId: "r" }, "run complete");
  logger.info({ provider: "cve", runId: "r", code: "PROV_HTML" }, "PROV_HTML: a web page");
  // The bar of cve shows that it waits.
  logger.warn({ provider: "cve", code: "PROV_OVERLOADED" }, "the upstream makes the fleet wait");
  logger.warn({ provider: "cve", runId: "r" }, "PROV_BAD_RECORDS: set aside");
  logger.warn("Redis is away");
  expect(written.map((line) => line.replace(/^\[.*?\] /, ""))).toEqual([
    "WARN: cve: PROV_BAD_RECORDS: set aside",
    "WARN: Redis is away",
  ]);
});
