/** The environment of a command. `main.ts` provides the real process; tests provide a fake one. */
import type { Writable } from "node:stream";
import type { HealthSubject } from "../workers/healthServer.ts";
import type { Answering } from "../workers/supervision/answer.ts";
import type { Session, SessionRequest } from "./sessionTypes.ts";

export type Terminal = Writable & { isTTY?: boolean; columns?: number };

/** The signals with which a user or a platform stops the process. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Interrupts {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  readonly caught: StopSignal | undefined;
  /** Stops listening: the next signal has its default effect. */
  release(): void;
}

export interface CliContext {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** The script that was started (bin/uee); child workers are started from it too. */
  readonly script: string;
  now(): number;
  /** Names of all registered providers; loads neither configuration nor Redis. */
  providerNames(): Promise<readonly string[]>;
  /** From now on the first signal is handled here; the second one ends the process at once. */
  interrupts(): Interrupts;
  /** Answers the supervisor that started this process. Undefined: the process has no supervisor. */
  readonly supervised: ((report: () => HealthSubject) => Answering) | undefined;
  /** Configuration → Redis → engine. */
  open(request: SessionRequest): Promise<Session>;
}

/** Set by a command: the exit code of the process. */
export type Finish = (exitCode: number) => void;
