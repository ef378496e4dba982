/**
 * Whether this process may work: shut while Redis is unreachable, refuses writes or refuses our user. A caller that
 * meets such an error shuts the gate; a small write that succeeds opens it. While the gate is shut, nothing is
 * fetched from queues or upstreams.
 *
 * It opens late rather than often: if trouble returns right after a successful probe (memory at its limit, a
 * permission that only one command lacks), it stays shut for longer each time.
 */
import type { Redis } from "ioredis";
import type { ErrorCode, UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "./errors.ts";

export interface TroubleGate {
  /** Why it is shut, SYS_REDIS_*; undefined while it is open. */
  readonly trouble: UeeError | undefined;
  /** Reports an error of a Redis call. True: it is trouble of Redis, and the gate is shut. */
  met(error: unknown): boolean;
  /** Resolves when the gate is open; rejects with the signal's reason. */
  whenOpen(signal?: AbortSignal): Promise<void>;
  /** Called whenever it shuts or opens. Returns a function that removes the listener. */
  onChange(listener: (trouble: UeeError | undefined) => void): () => void;
  /** Ends the probes and releases all waiters: their next call meets the trouble itself. */
  close(): void;
}

export interface TroubleGateOptions {
  /** Fail-fast connections, each with the STRING that is written to it: work needs all of them. */
  probes: ReadonlyMap<Redis, string>;
  logger: Logger;
}

const troubles: ReadonlySet<ErrorCode> = new Set([
  "SYS_REDIS_UNREACHABLE",
  "SYS_REDIS_TROUBLE",
  // For a process that has worked: an operator is changing passwords or permissions. Other processes may be
  // unaffected.
  "SYS_REDIS_AUTH",
]);

const FIRST_PROBE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
/** A gate that shuts again this soon was opened too early. */
const TOO_EARLY_MS = 10_000;
const LONGEST_FIRST_PAUSE_MS = 30_000;
/** Trouble shorter than this is not logged. */
const WORTH_SAYING_MS = 500;
const PROBE_LIVES_MS = 1_000;

export function makeTroubleGate({ probes, logger }: TroubleGateOptions): TroubleGate {
  const listeners = new Set<(trouble: UeeError | undefined) => void>();
  let trouble: UeeError | undefined;
  let shutAt = 0;
  let openedAt = Number.NEGATIVE_INFINITY;
  let firstPauseMs = FIRST_PROBE_MS;
  let told: ErrorCode | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const say = (): void => {
    if (trouble === undefined || trouble.code === told || performance.now() - shutAt < WORTH_SAYING_MS)
      return;
    told = trouble.code;
    // The connection reports that it is lost (ConnectOptions.onState).
    const level = told === "SYS_REDIS_UNREACHABLE" ? "debug" : "warn";
    logger[level]({ event: "redis_trouble", code: told }, `${trouble.message} Nothing is fetched meanwhile.`);
  };

  const change = (to: UeeError | undefined): void => {
    trouble = to;
    for (const listener of [...listeners]) listener(to);
  };

  const open = (): void => {
    openedAt = performance.now();
    if (told !== undefined) {
      const level = told === "SYS_REDIS_UNREACHABLE" ? "debug" : "warn";
      logger[level](
        { event: "redis_well", ms: Math.round(openedAt - shutAt) },
        "Redis works again; work continues.",
      );
    }
    told = undefined;
    change(undefined);
  };

  const probeAfter = (pauseMs: number): void => {
    // Staggered against the fleet's other processes. Waiters do not keep their process alive.
    timer = setTimeout(() => void probe(pauseMs), pauseMs * (0.75 + Math.random() / 2));
  };

  const probe = async (pauseMs: number): Promise<void> => {
    say();
    try {
      await Promise.all([...probes].map(([redis, key]) => redis.set(key, "1", "PX", PROBE_LIVES_MS)));
    } catch (error) {
      if (closed) return;
      const why = mapRedisError(error);
      // An unknown error opens the gate too: work then meets it and names it.
      if (troubles.has(why.code)) {
        trouble = why;
        say();
        probeAfter(Math.min(pauseMs * 2, Math.max(LONGEST_PAUSE_MS, firstPauseMs)));
        return;
      }
    }
    if (!closed) open();
  };

  return {
    get trouble() {
      return trouble;
    },
    met(error) {
      const why = mapRedisError(error);
      if (!troubles.has(why.code)) return false;
      if (trouble !== undefined || closed) return true;
      shutAt = performance.now();
      const again = shutAt - openedAt < TOO_EARLY_MS;
      firstPauseMs = again ? Math.min(firstPauseMs * 2, LONGEST_FIRST_PAUSE_MS) : FIRST_PROBE_MS;
      change(why);
      probeAfter(firstPauseMs);
      return true;
    },
    whenOpen(signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        if (trouble === undefined || closed) return resolve();
        const onAbort = (): void => {
          listeners.delete(onChange);
          reject(signal?.reason);
        };
        const onChange = (now: UeeError | undefined): void => {
          if (now !== undefined) return;
          listeners.delete(onChange);
          signal?.removeEventListener("abort", onAbort);
          resolve();
        };
        listeners.add(onChange);
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      if (trouble !== undefined) change(undefined);
    },
  };
}
