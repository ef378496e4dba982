/** The workers of a hunt: real processes, one a slot, started again whenever one ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { EngineSettings } from "../../../src/engine.ts";
import type { HistoryWriter } from "../history.ts";
import type { When } from "../plan.ts";

const script = fileURLToPath(new URL("./worker.mjs", import.meta.url));
/** A worker that ended is there again after so long. */
const RESTART_MS = 300;

interface Slot {
  child: ChildProcess | undefined;
  ready: boolean;
  /** Frozen since, ms; undefined when it runs. */
  frozenAt: number | undefined;
  gone: Promise<void>;
}

export interface FleetOptions {
  count: number;
  history: HistoryWriter;
  settings: EngineSettings;
  urlOf(slot: number): string;
  logFile(slot: number): string;
}

export class Fleet {
  readonly #o: FleetOptions;
  readonly #slots: Slot[] = [];
  #stopping = false;

  constructor(options: FleetOptions) {
    this.#o = options;
    for (let slot = 0; slot < options.count; slot++) {
      this.#slots.push({ child: undefined, ready: false, frozenAt: undefined, gone: Promise.resolve() });
      this.#launch(slot);
    }
  }

  #launch(index: number): void {
    const { history } = this.#o;
    const slot = this.#slots[index]!;
    const plan = { url: this.#o.urlOf(index), name: `chaos:w${index}`, settings: this.#o.settings };
    const log = openSync(this.#o.logFile(index), "a");
    const child = spawn(process.execPath, [script, JSON.stringify(plan)], { stdio: ["pipe", "pipe", log] });
    const pid = child.pid!;
    slot.child = child;
    slot.ready = false;
    slot.frozenAt = undefined;
    child.stdin!.on("error", () => undefined);
    history.now({ k: "worker", what: "started", slot: index, pid, how: "" });
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const said = JSON.parse(line) as Record<string, string>;
      if (said.ready !== undefined) {
        slot.ready = true;
        history.now({ k: "worker", what: "ready", slot: index, pid, how: said.ready });
      } else if (said.step !== undefined) {
        history.now({ k: "step", pid, step: said.step, phase: said.phase!, batch: said.batch! });
      } else if (said.struck !== undefined) {
        if (said.struck === "SIGSTOP") slot.frozenAt = Date.now();
        history.now({ k: "act", kind: "struck", target: String(index), ok: true, detail: said.struck });
      }
    });
    slot.gone = once(child, "close").then(async ([code, signal]) => {
      slot.ready = false;
      this.#thawed(index, pid);
      history.now({ k: "worker", what: "ended", slot: index, pid, how: String(signal ?? code) });
      if (this.#stopping) return;
      await sleep(RESTART_MS);
      if (!this.#stopping) this.#launch(index);
    });
  }

  /** Sends the signal now, or when the worker reaches the place. False when no worker was hit in time. */
  async strike(
    index: number,
    signal: "SIGKILL" | "SIGSTOP",
    when: When,
    options: { withinMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    const slot = this.#slots[index]!;
    // It may be starting, or starting again.
    const readyBy = performance.now() + options.withinMs;
    while (!slot.ready && performance.now() < readyBy && !options.signal.aborted) await sleep(10);
    const { child } = slot;
    if (!child || !slot.ready || slot.frozenAt !== undefined) return false;
    if (when === "now") {
      if (signal === "SIGSTOP") slot.frozenAt = Date.now();
      return child.kill(signal);
    }
    child.stdin!.write(`${JSON.stringify({ arm: { signal, ...when } })}\n`);
    const deadline = performance.now() + options.withinMs;
    while (performance.now() < deadline && !options.signal.aborted) {
      if (slot.child !== child || child.exitCode !== null || child.signalCode !== null) return true;
      if (slot.frozenAt !== undefined) return true;
      await sleep(10);
    }
    // It does not come by the place: anywhere will do.
    child.stdin!.write('{"disarm":true}\n');
    if (options.signal.aborted || slot.child !== child || slot.frozenAt !== undefined) return false;
    if (signal === "SIGSTOP") slot.frozenAt = Date.now();
    return child.kill(signal);
  }

  /** Lets it go on, and takes back what it was armed with. */
  wake(index: number): void {
    const { child } = this.#slots[index]!;
    if (!child) return;
    child.stdin!.write('{"disarm":true}\n');
    child.kill("SIGCONT");
    this.#thawed(index, child.pid!);
  }

  #thawed(index: number, pid: number): void {
    const slot = this.#slots[index]!;
    if (slot.frozenAt === undefined) return;
    this.#o.history.now({ k: "held", slot: index, pid, from: slot.frozenAt, to: Date.now() });
    slot.frozenAt = undefined;
  }

  /** SIGTERM, timed; a worker that does not end in time is killed. False when no worker runs in the slot. */
  async terminate(index: number, deadlineMs = 30_000): Promise<boolean> {
    const slot = this.#slots[index]!;
    const { child } = slot;
    if (!child || !slot.ready || slot.frozenAt !== undefined) return false;
    const started = Date.now();
    const closed = once(child, "close");
    child.kill("SIGTERM");
    const ended = await Promise.race([closed, sleep(deadlineMs, undefined, { ref: false })]);
    if (ended === undefined) child.kill("SIGKILL");
    const code = ended === undefined ? null : ((ended as [number | null])[0] ?? null);
    this.#o.history.now({ k: "drained", slot: index, ms: Date.now() - started, code });
    return true;
  }

  /** Wakes and disarms all workers, and waits until all take batches. */
  async heal(timeoutMs: number): Promise<boolean> {
    for (const index of this.#slots.keys()) this.wake(index);
    const deadline = Date.now() + timeoutMs;
    while (!this.#slots.every(({ ready }) => ready)) {
      if (Date.now() > deadline) return false;
      await sleep(50);
    }
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#slots.map(async (slot, index) => {
        this.wake(index);
        if (slot.ready) await this.terminate(index, 15_000);
        else slot.child?.kill("SIGKILL");
        await slot.gone;
      }),
    );
  }

  /** At once, whatever they do. */
  abandon(): void {
    this.#stopping = true;
    for (const { child } of this.#slots) child?.kill("SIGKILL");
  }
}
