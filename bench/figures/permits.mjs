// The cost of a permit: acquire + release by one client in sequence, against two bare EVALSHA of `return 1`, and
// beside the npm package redis-semaphore. Measured as workers do it (`giveBack`: without waiting for the answer, and
// together with the next acquire if that follows at once), and with every answer awaited.
import { Redis } from "ioredis";
import { Semaphore } from "redis-semaphore";
import { fromDist } from "../lib/places.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, ratioRow, text } from "../lib/rows.mjs";
import { median } from "../lib/statistics.mjs";

export const name = "permits";
export const method =
  "one client in sequence on a unix socket, rounds alternating, medians; `giveBack` is how workers release (not waited for, " +
  "sent with the next acquire of the same provider where one follows at once); redis-semaphore in the same rounds, its refresh off.";

const SIZE = 10;
const GOAL = 0.9;
const TOO_LONG_MS = 10;

async function contestants(connect) {
  const { makePermitPool } = await fromDist("permits/permitPool.js");
  const { makeKeys } = await fromDist("redis/keys.js");
  const { silentLogger } = await fromDist("core/logger.js");
  const permits = (prefix, giveBack) => {
    const keys = makeKeys(prefix).permits;
    const pool = makePermitPool({ redis: connect(), keys, logger: silentLogger(), size: SIZE });
    let n = 0;
    return async () => {
      const grant = await pool.acquire({ lease: `batch-${n++}`, provider: "cve" });
      if (grant.waiting) throw new Error("nothing was free");
      await giveBack(pool, grant);
    };
  };
  const bare = connect();
  const sha = await bare.script("LOAD", "return 1");
  const semaphore = connect();
  return {
    bare: async () => {
      await bare.evalsha(sha, 1, "{bench:bare}");
      await bare.evalsha(sha, 1, "{bench:bare}");
    },
    given: permits("bench-workers", (pool, grant) => pool.giveBack(grant)),
    awaited: permits("bench-awaited", (pool, grant) => pool.release(grant)),
    semaphore: async () => {
      const one = new Semaphore(semaphore, "bench", SIZE, { lockTimeout: 12_000, refreshInterval: 0 });
      await one.acquire();
      await one.release();
    },
  };
}

export async function run(bench) {
  const rounds = bench.quick ? 3 : 9;
  const cycles = bench.quick ? 500 : 3000;
  const clients = [];
  return withRedis(async ({ redis, socket }) => {
    try {
      const all = await contestants(() => {
        clients.push(new Redis(socket));
        return clients.at(-1);
      });
      const rates = Object.fromEntries(Object.keys(all).map((key) => [key, []]));
      for (const cycle of Object.values(all)) for (let i = 0; i < 500; i++) await cycle();
      await redis.call("CONFIG", "SET", "slowlog-log-slower-than", String(TOO_LONG_MS * 1000));
      for (let round = 0; round < rounds; round++) {
        // The order alternates too.
        const order = Object.entries(all);
        for (const [key, cycle] of round % 2 ? order.reverse() : order) {
          const start = performance.now();
          for (let i = 0; i < cycles; i++) await cycle();
          rates[key].push(cycles / ((performance.now() - start) / 1000));
        }
      }
      const rate = Object.fromEntries(Object.entries(rates).map(([key, list]) => [key, median(list)]));
      const slow = Number(await redis.call("SLOWLOG", "LEN"));
      const perSecond = (key) => `${Math.round(rate[key])}/s`;
      return {
        data: { rounds, cycles, cyclesPerSecond: rate, scriptsOver10ms: slow },
        rows: [
          ratioRow({
            what: "permit acquire + release, against two bare `EVALSHA`",
            ratio: rate.given / rate.bare,
            goal: GOAL,
            note:
              `${perSecond("given")} against ${perSecond("bare")}; with the release waited for ${perSecond("awaited")} ` +
              `(${text.times(rate.awaited / rate.bare)})`,
          }),
          {
            what: "permit acquire + release, against the package `redis-semaphore`",
            figure: text.times(Math.floor((rate.given / rate.semaphore) * 100) / 100),
            goal: "> 1.00 ×",
            met: rate.given > rate.semaphore,
            note:
              `redis-semaphore ${perSecond("semaphore")}: no fences, no order among waiters, expiry by the ` +
              `client's clock; with our release waited for ${text.times(rate.awaited / rate.semaphore)}`,
          },
          atMostRow({
            what: "permit scripts over 10 ms",
            value: slow,
            goal: 0,
            text: String,
            note: `of ${2 * rounds * cycles} cycles`,
          }),
        ],
      };
    } finally {
      for (const client of clients) client.disconnect();
    }
  });
}
