// The simulator as a process of its own.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { dist, fromDist } from "./places.mjs";
import { tracked } from "./processes.mjs";

/** Starts one with these flags, hands it to `work`, ends it. */
export async function withSimulator(flags, work, { gzip = false } = {}) {
  const child = tracked(
    spawn(
      process.execPath,
      [
        join(dist, "simulator/main.js"),
        "--exit-with-parent",
        ...(gzip ? [] : ["--no-gzip"]),
        ...flags.map(String),
      ],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    ),
  );
  const gone = new Promise((done) => child.once("exit", done));
  try {
    const first = await Promise.race([
      new Promise((done) => createInterface(child.stdout).once("line", done)),
      gone.then(() => Promise.reject(new Error("the simulator ended at its start"))),
    ]);
    const { url, urls } = JSON.parse(first);
    const { upstreamNames: names } = await fromDist("simulator/types.js");
    return await work({
      url,
      urls,
      counts: async () => (await fetch(`${url}/_sim/counts`)).json(),
      log: async () => (await fetch(`${url}/_sim/log`)).json(),
      setPoint: (point) =>
        fetch(`${url}/_sim/point`, { method: "POST", body: JSON.stringify({ point }) }).then((r) => r.text()),
      /** The whole content of one upstream, as NDJSON text. */
      content: async (provider) => (await fetch(`${url}/_sim/content/${provider}`)).text(),
      environment: {
        ...Object.fromEntries(names.map((name) => [`UEE_${name.toUpperCase()}_URL`, urls[name]])),
      },
    });
  } finally {
    child.kill("SIGTERM");
    await gone;
  }
}
