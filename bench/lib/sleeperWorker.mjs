// A worker process of the sleeping provider, and what it is doing.
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { tracked } from "./processes.mjs";

const script = fileURLToPath(new URL("../processes/sleeperWorker.mjs", import.meta.url));

/** Resolves when it takes batches. */
export async function startSleeperWorker(plan) {
  const child = tracked(
    spawn(process.execPath, [script, JSON.stringify(plan)], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  const events = new EventEmitter();
  const inWork = new Set();
  const done = new Set();
  const gone = new Promise((closed) => child.once("close", closed));
  createInterface(child.stdout).on("line", (line) => {
    const said = JSON.parse(line);
    if (said.ready) events.emit("ready");
    if (said.step === "fetch" && said.phase === "before") {
      inWork.add(said.batch);
      events.emit("begins", said.batch);
    }
    if (said.step === "checkpoint" && said.phase === "after") done.add(said.batch);
    if (said.step === "settle" && said.phase === "after") inWork.delete(said.batch);
  });
  await Promise.race([
    once(events, "ready"),
    gone.then(() => Promise.reject(new Error("a worker ended at its start"))),
  ]);
  return {
    /** Emits `begins` with the batch's key at every fetch. */
    events,
    /** Batches begun and not yet settled. */
    inWork,
    /** Batches that it committed. */
    done,
    /** Resolves when the process is gone. */
    async end(signal) {
      child.kill(signal);
      await gone;
    },
  };
}
