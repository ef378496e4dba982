// Pictures of the real page for the documents: a fleet of its own over the simulator, a full load, an edition that changes,
// and a few records that fail. Needs Chromium and redis-server; writes docs/pictures.
//   node scripts/pictures.mjs [folder]
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { build } from "./build.mjs";
import { root } from "./lib/fingerprint.mjs";

const folder = resolve(process.argv[2] ?? join(root, "docs/pictures"));
if (!build()) process.exit(1);
const { startSimulator } = await import(pathToFileURL(join(root, "dist/simulator/index.js")));
const { environmentOf } = await import(pathToFileURL(join(root, "dist/cli/commands/simulate.js")));
const data = mkdtempSync(join(tmpdir(), "uee-pictures-"));
const simulator = await startSimulator({ cves: 20_000, extremes: false });
const env = {
  PATH: process.env.PATH,
  HOME: data,
  NO_PROXY: "127.0.0.1,localhost",
  UEE_DATA_DIR: data,
  UEE_WAIT_SCALE: "0.01",
  UEE_CVE_RATE: "unlimited",
  UEE_SCHEDULES: "off",
  ...environmentOf(simulator),
};
const up = spawn(process.execPath, [join(root, "bin/uee"), "up", "--workers", "2", "--port", "0"], {
  env,
  stdio: ["ignore", "ignore", "pipe"],
});
try {
  const url = await addressOf(up);
  await runAll(url, "full", "first load");
  // Runs of days in a minute.
  for (let round = 0; round < 15; round++) await runAll(url, "incremental", "schedule");
  const take = await camera(url);
  await take("overview", "/");
  await take("changes", "/changes");
  await take("fleet", "/fleet?range=1h");
  await take("record", `/records/${await connectedRecord(url)}`);
  simulator.setFaults(["bad-record@0.04:capec"]);
  await run(url, "capec", "full", "nightly check");
  await settled(url);
  await take("dead-letters", "/dead-letters");
  const { runs } = await ask(url, "/api/runs?provider=capec&limit=1");
  await take("run", `/runs/${runs[0].runId}`);
  await take.close();
} finally {
  up.kill("SIGTERM");
  await new Promise((done) => up.once("exit", done));
  await simulator.close();
  rmSync(data, { recursive: true, force: true });
}

async function addressOf(service) {
  let said = "";
  for await (const text of service.stderr.setEncoding("utf8")) {
    said += text;
    const [, url] = /Dashboard (http\S+)/.exec(said) ?? [];
    if (url === undefined) continue;
    // What it says later is not read, and must not fill the pipe.
    service.stderr.resume();
    return url;
  }
  throw new Error(`uee up ended: ${said}`);
}

async function ask(url, path, body) {
  const response = await fetch(new URL(path, url), {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", "x-actor": "anna" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return await response.json();
}

async function settled(url) {
  for (;;) {
    const { providers } = await ask(url, "/api/overview");
    if (providers.every(({ openRun, lastRun }) => openRun === null && lastRun !== null)) return providers;
    await sleep(250);
  }
}

async function run(url, provider, mode, reason) {
  await ask(url, `/api/providers/${provider}/start`, { mode, reason });
}

async function runAll(url, mode, reason) {
  const { providers } = await ask(url, "/api/overview");
  for (const { provider } of providers) await run(url, provider, mode, reason);
  await settled(url);
}

/** A CVE whose graph reaches far and still fits. */
async function connectedRecord(url) {
  const { changes } = await ask(url, "/api/changes/recent?provider=cve&limit=60");
  let best = { id: changes[0].id, nodes: 0 };
  for (const { id } of changes) {
    const { nodes } = await ask(url, `/api/trace/${id}?limit=5`);
    if (nodes.length > best.nodes && nodes.length <= 24) best = { id, nodes: nodes.length };
  }
  return best.id;
}

async function camera(url) {
  mkdirSync(folder, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.UEE_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  const page = await browser.newPage({
    viewport: { width: 1280, height: 760 },
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  const take = async (name, path) => {
    await page.goto(new URL(path, url).href);
    await page.locator(".panel").first().waitFor();
    await page.locator("main .panel[aria-busy=true]").first().waitFor({ state: "detached" });
    await sleep(500);
    await page.screenshot({ path: join(folder, `${name}.png`) });
  };
  return Object.assign(take, { close: () => browser.close() });
}
