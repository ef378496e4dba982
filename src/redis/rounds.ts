/** Work that a process repeats, one round at a time. A round that fails is logged and skipped; the next one follows. */
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "./errors.ts";

export interface RoundsOptions {
  everyMs: number;
  work: () => Promise<unknown>;
  /** Event of the log line about a failed round. */
  failed: string;
  logger: Logger;
}

export class Rounds {
  readonly #o: RoundsOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: RoundsOptions) {
    this.#o = options;
  }

  get started(): boolean {
    return this.#timer !== undefined;
  }

  /** The first round begins after one interval. */
  start(): void {
    this.#timer ??= setInterval(() => this.now(), this.#o.everyMs).unref();
  }

  /** Begins a round, unless one is under way. */
  now(): void {
    this.#running ??= this.#o
      .work()
      .catch((error: unknown) => {
        const { code, message } = mapRedisError(error);
        this.#o.logger.debug({ event: this.#o.failed, code }, message);
      })
      .then(() => {
        this.#running = undefined;
      });
  }

  /** Resolves when the round under way has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }
}
