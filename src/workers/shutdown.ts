/**
 * An orderly end: steps one after the other, each with its own time-out, all of them within one deadline. A step that
 * hangs or throws is logged, is left, and delays what follows by its time-out at most. When the deadline has passed, the
 * remaining steps are begun all the same, and not waited for.
 */
import { toUeeError, UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";

/** What a whole stop may take by default, ms. */
export const STOP_DEADLINE_MS = 25_000;
const HOOK_TIMEOUT_MS = 5_000;
const HOOK_ORDER = 100;

export interface ShutdownHookOptions {
  /** What it may take before the shutdown goes on without it, ms. Default 5,000. */
  timeoutMs?: number;
  /** Lower comes earlier; equal ones in the order of their registration. Default 100. */
  order?: number;
}

/**
 * Called once, when batches have been let go and Redis is still there. The signal fires when its time is over. One that
 * hangs or throws is logged and delays what follows by its time-out at most.
 */
export type ShutdownHook = (signal: AbortSignal) => Promise<void> | void;

/** Returns what takes the hook out again. */
export type OnShutdown = (name: string, hook: ShutdownHook, options?: ShutdownHookOptions) => () => void;

export interface StopOptions {
  /** For everything together, ms; what is not done by then is left. Default 25,000. */
  deadlineMs?: number;
}

/** How a shutdown went. */
export interface StopReport {
  /** What did not end in time or failed, one phrase each; empty after a clean stop. */
  left: string[];
}

export interface ShutdownStep {
  name: string;
  timeoutMs: number;
  /** The signal fires when its time is over. */
  run: (signal: AbortSignal) => Promise<unknown>;
  /** What is left undone when it has ended or its time is over, one phrase each. */
  left?: () => readonly string[];
}

/** Never rejects. */
export async function shutDown(
  steps: readonly ShutdownStep[],
  options: { deadlineMs: number; logger: Logger },
): Promise<StopReport> {
  const end = performance.now() + options.deadlineMs;
  const left: string[] = [];
  for (const step of steps) {
    const ms = Math.max(0, Math.min(step.timeoutMs, end - performance.now()));
    left.push(...(await inTime(step, ms, options.logger)));
  }
  return { left };
}

async function inTime(step: ShutdownStep, ms: number, logger: Logger): Promise<readonly string[]> {
  const { name, run } = step;
  const timeout = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => {
      resolve("late");
      timeout.abort(new UeeError("SYS_SHUTDOWN", `${name} took longer than ${Math.round(ms)} ms.`));
    }, ms);
  });
  try {
    const how = await Promise.race([run(timeout.signal).then(() => "done" as const), late]);
    const left = [...(step.left?.() ?? [])];
    if (how === "done") return left;
    if (left.length === 0) left.push(`${name}: not done after ${Math.round(ms)} ms`);
    logger.warn(
      { event: "shutdown_late", step: name, timeoutMs: Math.round(ms), left },
      `${name}: not in time`,
    );
    return left;
  } catch (error) {
    const { code, message } = toUeeError(error);
    logger.warn({ event: "shutdown_failed", step: name, code, err: error }, `${name} failed: ${message}`);
    return [`${name}: ${message}`];
  } finally {
    clearTimeout(timer);
  }
}

/** Hooks of people who build on us. */
export class ShutdownHooks {
  readonly #hooks: { step: ShutdownStep; order: number }[] = [];

  readonly add: OnShutdown = (name: string, hook: ShutdownHook, options = {}) => {
    const { timeoutMs = HOOK_TIMEOUT_MS, order = HOOK_ORDER } = options;
    const run = async (signal: AbortSignal): Promise<void> => {
      await hook(signal);
    };
    const entry = { step: { name: `hook ${name}`, timeoutMs, run }, order };
    this.#hooks.push(entry);
    return () => {
      const at = this.#hooks.indexOf(entry);
      if (at >= 0) this.#hooks.splice(at, 1);
    };
  };

  /** In the order in which they run. */
  steps(): ShutdownStep[] {
    return [...this.#hooks].sort((a, b) => a.order - b.order).map(({ step }) => step);
  }
}
