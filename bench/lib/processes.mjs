// Child processes: none outlives this process, and the peak memory of each is known.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const ours = new Set();
process.once("exit", () => {
  for (const child of ours) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

export function tracked(child) {
  ours.add(child);
  child.once("exit", () => ours.delete(child));
  return child;
}

/** Peak resident size, in bytes, as the kernel recorded it; 0 when the process is gone. */
export function peakOf(pid) {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Processor time that a process and its threads have taken, ms; 0 when it is gone. */
function processorMsOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

function childrenOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Watches a process and its children; `peak()` is the largest of any one of them, `processorMs()` its own time so far. */
export function watchPeak(pid) {
  let peak = 0;
  let processorMs = 0;
  const look = (of) => {
    peak = Math.max(peak, peakOf(of));
    for (const child of childrenOf(of)) look(child);
  };
  // The kernel keeps the maximum: only growth in the last moments of a process could be missed.
  const timer = setInterval(() => {
    look(pid);
    processorMs = Math.max(processorMs, processorMsOf(pid));
  }, 25);
  return {
    processorMs: () => processorMs,
    peak() {
      clearInterval(timer);
      look(pid);
      return peak;
    },
  };
}

/**
 * Runs a Node script to its end; rejects with what it printed when it fails, unless it may. Lines of stderr go to `onLine`.
 */
export async function runNode(args, { env = {}, onLine, mayFail = false } = {}) {
  const child = tracked(
    spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] }),
  );
  const watch = watchPeak(child.pid);
  const started = performance.now();
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  let rest = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr = (stderr + text).slice(-4_000);
    if (!onLine) return;
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) onLine(line);
  });
  const [code, signal] = await new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (...how) => done(how));
  });
  const wallMs = performance.now() - started;
  const peak = watch.peak();
  const processorMs = watch.processorMs();
  if (code !== 0 && !(mayFail && code === 1))
    throw new Error(`${args.join(" ")} ended with ${code ?? signal}\n${stderr}${stdout}`);
  return { code, stdout, stderr, wallMs, processorMs, peak };
}
