/**
 * Logins that were ended early, for all dashboards of the fleet. The list is read at most once a second; while Redis
 * is unreachable the last copy applies.
 */
import { inTime } from "../../core/waiting.ts";
import type { Backend } from "../app.ts";
import type { LoginSession } from "./sessionTokens.ts";

const FRESH_MS = 1_000;
/** No request waits longer than this for the list. */
const PATIENCE_MS = 500;

export class EndedSessions {
  readonly #backend: () => Backend;
  #ended = new Set<string>();
  #readAt = 0;
  #reading: Promise<void> | undefined;

  constructor(backend: () => Backend) {
    this.#backend = backend;
  }

  /** @throws when Redis cannot store it: the login would stay valid elsewhere */
  async end(session: LoginSession): Promise<void> {
    const { redis, keys } = this.#backend();
    await redis
      .of(keys.endedSessions)
      .multi()
      .zremrangebyscore(keys.endedSessions, "-inf", Date.now())
      .zadd(keys.endedSessions, session.expiresAt, session.id)
      .exec();
    this.#ended.add(session.id);
  }

  async has(session: LoginSession): Promise<boolean> {
    if (Date.now() - this.#readAt >= FRESH_MS) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await inTime(PATIENCE_MS, this.#reading, () => undefined);
    }
    return this.#ended.has(session.id);
  }

  async #read(): Promise<void> {
    try {
      const { redis, keys } = this.#backend();
      this.#ended = new Set(
        await redis.of(keys.endedSessions).zrangebyscore(keys.endedSessions, Date.now(), "+inf"),
      );
    } catch {
      // Unreachable: the last copy applies.
    }
    this.#readAt = Date.now();
  }
}
