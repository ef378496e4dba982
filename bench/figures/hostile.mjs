// Hostile files: the result of the run, its duration, and the peak memory (VmHWM) of the working process.
import { createServer } from "node:http";
import { hostileFiles } from "../lib/hostile.mjs";
import { runNode } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { ueeBin } from "../lib/uee.mjs";

export const name = "hostile";
export const method =
  "each file from an HTTP server on loopback, `uee run … --full --wait --json` on a fresh Redis; `VmHWM` of the process as for `rss`. A run may end in any state but must name its code.";

const GOAL = 300e6;

async function withAnswers({ answers, headers }, work) {
  const server = createServer((request, response) => {
    const body = answers[new URL(request.url, "http://x").pathname];
    response.writeHead(body === undefined ? 404 : 200, headers ?? {}).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function codesOf(server, provider) {
  const env = { REDIS_URL: server.url, UEE_LOG_LEVEL: "fatal" };
  const { stdout } = await runNode([ueeBin, "dlq", "list", "--provider", provider, "--json"], { env });
  const codes = stdout.match(/"code": ?"[A-Z_]+"/g) ?? [];
  return [...new Set(codes.map((code) => code.split('"')[3]))];
}

async function measure(title, make) {
  const file = make();
  const { provider, path } = file;
  return withAnswers(file, (base) =>
    withRedis(async (server) => {
      const upper = provider.toUpperCase();
      const { stdout, peak, wallMs } = await runNode(
        [ueeBin, "run", provider, "--full", "--wait", "--json"],
        {
          env: {
            REDIS_URL: server.url,
            [`UEE_${upper}_URL`]: base + path,
            [`UEE_${upper}_RATE`]: "unlimited",
            UEE_WAIT_SCALE: "0.01",
            UEE_LOG_LEVEL: "fatal",
          },
          mayFail: true,
        },
      );
      const [summary] = JSON.parse(stdout).runs;
      const codes = await codesOf(server, provider);
      return { title, state: summary.state, created: summary.created, codes, peak, wallMs };
    }),
  );
}

export async function run(bench) {
  const files = bench.quick ? hostileFiles.filter((_, i) => i % 4 === 0) : hostileFiles;
  const runs = [];
  for (const [title, make] of files) {
    const one = await measure(title, make);
    runs.push(one);
    bench.say(
      `hostile: ${title}: ${one.state} ${one.codes.join(" ")}, ${text.mb(one.peak)}, ${text.seconds(one.wallMs)}`,
    );
  }
  return {
    data: { runs },
    rows: runs.map(({ title, state, codes, peak, wallMs }) =>
      atMostRow({
        what: `peak resident memory of a worker, hostile: ${title}`,
        value: peak,
        goal: GOAL,
        text: text.mb,
        note: `${state}${codes.length > 0 ? `, ${codes.join(", ")}` : ""} in ${text.seconds(wallMs)}`,
      }),
    ),
  };
}
