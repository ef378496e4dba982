// The engine as users run it: `bin/uee`, with its production settings and no rate limit.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./places.mjs";
import { peakOf, runNode, tracked } from "./processes.mjs";

export const ueeBin = join(root, "bin/uee");

/** Environment of an engine process: this Redis, this simulator, production defaults beyond. */
export const ueeEnvironment = (server, simulator) => ({
  REDIS_URL: server.url,
  ...simulator.environment,
  UEE_CVE_RATE: "unlimited",
  UEE_CWE_RATE: "unlimited",
  UEE_CAPEC_RATE: "unlimited",
  UEE_ATTACK_RATE: "unlimited",
  UEE_EPSS_RATE: "unlimited",
  UEE_LOG_LEVEL: "warn",
});

/**
 * `uee run <provider> --full --wait --json` to its end. `summary` is the contract's; `written` the record bytes that the
 * engine says it sent, where `countBytes` asks for them.
 */
export async function ueeRun(server, simulator, provider, { countBytes = false } = {}) {
  let written = 0;
  const { stdout, peak, wallMs, processorMs } = await runNode(
    [ueeBin, "run", provider, "--full", "--wait", "--json"],
    {
      env: { ...ueeEnvironment(server, simulator), ...(countBytes ? { UEE_LOG_LEVEL: "debug" } : {}) },
      ...(countBytes
        ? {
            onLine: (line) => {
              if (line.includes('"batch_done"')) written += JSON.parse(line).bytesWritten;
            },
          }
        : {}),
    },
  );
  const summary = JSON.parse(stdout).runs[0];
  if (summary.state !== "complete") throw new Error(`the run of ${provider} ended ${stdout}`);
  return { summary, written, peak, wallMs, processorMs };
}

/** Starts a service `uee …` and resolves at the log line that reports readiness. */
export async function startUee(args, env, ready) {
  const child = tracked(
    spawn(process.execPath, [ueeBin, ...args], {
      env: { ...process.env, ...env, UEE_LOG_LEVEL: "info", UEE_LOG_FORMAT: "json" },
      stdio: ["ignore", "ignore", "pipe"],
    }),
  );
  const gone = new Promise((done) => child.once("exit", done));
  const line = new Promise((done) => {
    createInterface(child.stderr).on("line", (said) => {
      if (ready(said)) done(said);
    });
  });
  const said = await Promise.race([line, gone.then(() => Promise.reject(new Error(`uee ${args[0]} ended`)))]);
  return {
    said,
    /** Its greatest resident memory so far: the kernel keeps it. */
    peak: () => peakOf(child.pid),
    async end() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}
