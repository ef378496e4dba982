// How long our Lua scripts hold Redis: every call of a load, an update and a re-sync, from SLOWLOG.
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { cveSource } from "../lib/cves.mjs";
import { dist, fromDist } from "../lib/places.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { quantile } from "../lib/statistics.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "lua";
export const method =
  "`SLOWLOG` with a threshold of 0 during full load, move to the later point in time and unchanged re-sync; every `EVALSHA` of a script of ours, by its digest. It is wall time on Redis' main thread: a core taken away meanwhile shows, so Redis has the highest priority where root runs the bench.";

const GOAL_MS = 5;
/** A script that only counts, for about as long as a commit: if it takes longer, the machine was busy. */
const yardstick = "for i = 1, 300000 do end return 0";
const YARDSTICK_EVERY_MS = 20;

export async function run(bench) {
  const source = cveSource(bench);
  const names = await scriptNames();
  const times = new Map();
  await withSimulator(source.flags, async (simulator) => {
    for (let round = 0; round < bench.pairs; round++) {
      await simulator.setPoint("before");
      const measure = async (server) => {
        await server.redis.config("SET", "slowlog-log-slower-than", "0");
        await server.redis.config("SET", "slowlog-max-len", "10000000");
        const stop = beatYardstick(server.redis);
        await ueeRun(server, simulator, "cve");
        await simulator.setPoint("after");
        await ueeRun(server, simulator, "cve");
        await ueeRun(server, simulator, "cve");
        await stop();
        for (const [script, ms] of await scriptCalls(server.redis, names)) {
          times.set(script, [...(times.get(script) ?? []), ms]);
        }
      };
      await withRedis(measure, { first: true });
    }
  });
  const machine = spread(times.get(YARDSTICK));
  times.delete(YARDSTICK);
  const scripts = [...times].map(([script, ms]) => ({ script, ...spread(ms) }));
  scripts.sort((a, b) => b.p999 - a.p999);
  const all = spread([...times.values()].flat());
  const [slowest] = scripts;
  return {
    data: { source: source.label, all, scripts, yardstick: machine },
    rows: [
      atMostRow({
        what: "our Lua scripts, `SLOWLOG` p99.9",
        value: all.p999,
        goal: GOAL_MS,
        text: text.ms,
        note:
          `${all.calls} calls of load, update and re-sync; longest ${text.ms(all.max)}; by script the slowest is ` +
          `${slowest.script}: p99.9 ${text.ms(slowest.p999)}, median ${text.ms(slowest.p50)}. A script that only counts, ` +
          `beside it: p99.9 ${text.ms(machine.p999)}, median ${text.ms(machine.p50)}: so much is the machine's own`,
      }),
    ],
  };
}

const spread = (ms) => ({
  calls: ms.length,
  p50: quantile(ms, 0.5),
  p99: quantile(ms, 0.99),
  p999: quantile(ms, 0.999),
  max: quantile(ms, 1),
});

const YARDSTICK = "yardstick";

/** Calls the reference script repeatedly until told to stop. */
function beatYardstick(redis) {
  let going = true;
  const beating = (async () => {
    const sha = await redis.script("LOAD", yardstick);
    while (going) {
      await redis.evalsha(sha, 0);
      await sleep(YARDSTICK_EVERY_MS);
    }
  })();
  return async () => {
    going = false;
    await beating;
  };
}

/** Name of each of our scripts by its digest, without BullMQ's. */
async function scriptNames() {
  const { loadScript } = await fromDist("redis/scripts.js");
  const { luaTables } = await fromDist("machines/luaTables.js");
  const files = readdirSync(dist, { recursive: true }).filter((file) => /-(\d+|n)\.lua$/.test(file));
  const yardstickSha = createHash("sha1").update(yardstick).digest("hex");
  return new Map([
    [yardstickSha, YARDSTICK],
    ...files.map((file) => {
      const script = loadScript(pathToFileURL(join(dist, file)), luaTables);
      return [script.sha, script.name];
    }),
  ]);
}

async function scriptCalls(redis, names) {
  const calls = [];
  for (const [, , us, [command, sha]] of await redis.slowlog("GET", -1)) {
    const script = /^EVALSHA$/i.test(command) ? names.get(sha) : undefined;
    if (script) calls.push([script, us / 1000]);
  }
  return calls;
}
