/**
 * What a command may touch of the world. `main.ts` fills it with the real process; tests with a fake one.
 */
import type { Writable } from "node:stream";
import type { HealthSubject } from "../workers/healthServer.ts";
import type { Answering } from "../workers/supervision/answer.ts";
import type { Session, SessionRequest } from "./sessionTypes.ts";

export type Terminal = Writable & { isTTY?: boolean; columns?: number };

/** The signals a person or a platform ends us with. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Interrupts {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  readonly caught: StopSignal | undefined;
  /** Stops listening: the next signal does what it does by default. */
  release(): void;
}

export interface CliContext {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** The script that was started (bin/uee): child workers are started from it too. */
  readonly script: string;
  now(): number;
  /** Names of all registered providers; touches neither configuration nor Redis. */
  providerNames(): Promise<readonly string[]>;
  /** From now on the first signal is ours; the second one ends the process at once. */
  interrupts(): Interrupts;
  /** Answers the supervisor that started this process. Undefined: nobody supervises it. */
  readonly supervised: ((report: () => HealthSubject) => Answering) | undefined;
  /** Configuration → Redis → engine. */
  open(request: SessionRequest): Promise<Session>;
}

/** A command says with which code the process should end. */
export type Finish = (exitCode: number) => void;
