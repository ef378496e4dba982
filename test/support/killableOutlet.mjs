// A process that runs an outlet, once "go" has come on its standard input, and kills itself, by SIGKILL, before or after the
// nth of its steps: the queries and COPY writes of the sink, the writes to the feed directory of the server. Built code, real
// engine. argv: JSON {outlet, url, settings, postgres, rebuild, nth, phase}; prints "ready", the server then its URL.
import { once } from "node:events";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import pg from "pg";

const plan = JSON.parse(process.argv[2]);
// It ends with the test that has started it.
process.stdin.resume().once("end", () => process.exit(1));
let met = 0;

function count(owner, name, onCall = () => {}) {
  const real = owner[name];
  owner[name] = function (...args) {
    const here = ++met === plan.nth;
    if (here && plan.phase === "before") process.kill(process.pid, "SIGKILL");
    onCall(...args);
    const result = real.apply(this, args);
    if (here) void Promise.resolve(result).then(() => process.kill(process.pid, "SIGKILL"));
    return result;
  };
}
if (plan.outlet === "sink") {
  count(pg.Client.prototype, "query", (what) => {
    if (what?.write) count(what, "write");
  });
} else {
  for (const name of ["writeFile", "utimes", "rename", "stat"]) count(fs, name);
  syncBuiltinESMExports();
}
const { silentLogger } = await import("../../dist/core/logger.js");
const { openEngine } = await import("../../dist/engine.js");
const { connectRedis } = await import("../../dist/redis/connect.js");
const { PostgresSink, listenServe } = await import(
  plan.outlet === "sink" ? "../../dist/outlets/postgres/sink.js" : "../../dist/outlets/nvd/server.js"
);

const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({ settings: plan.settings, redis, logger: silentLogger() });
process.stdout.write("ready\n");
await once(process.stdin, "data");
met = 0;
const { signal } = new AbortController();
if (plan.outlet === "sink") {
  const { postgres: url, rebuild } = plan;
  await new PostgresSink({ engine, url, logger: silentLogger(), signal, follow: false, rebuild }).run();
} else {
  const server = await listenServe({ logger: silentLogger(), port: 0 });
  process.stdout.write(`${server.url}\n`);
  await server.serve(engine, signal);
}
process.exit(0);
