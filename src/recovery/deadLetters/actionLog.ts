/** What operators did with dead letters, who and why: kept, bounded, beside the dead letters of their provider. */
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../../redis/keys.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../../redis/newestFirst.ts";

/** Some more while Redis trims by whole blocks. */
const ACTIONS_KEPT = 1_000;

export interface OperatorAction {
  at: string;
  /** `replay begun`, `replayed 12 of 14`, … */
  what: string;
  /** Which dead letters were meant. */
  selection: string;
  actor: string;
  reason: string | null;
}

export class OperatorActionLog {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async add({ at, what, selection, actor, reason }: OperatorAction): Promise<void> {
    await this.#redis.xadd(
      this.#keys.deadLetters.actions,
      "MAXLEN",
      "~",
      ACTIONS_KEPT,
      "*",
      ...["at", at, "what", what, "selection", selection, "actor", actor, "reason", reason ?? ""],
    );
  }

  /** Newest first. */
  read(page: PageRequest): Promise<StreamPage<OperatorAction>> {
    return readNewestFirst(this.#redis, this.#keys.deadLetters.actions, page, (_id, fields) => ({
      at: fields.at ?? "",
      what: fields.what ?? "",
      selection: fields.selection ?? "",
      actor: fields.actor ?? "",
      reason: fields.reason || null,
    }));
  }
}
