/**
 * One upstream's breaker as the fleet shares it: typed wrappers of the scripts. Redis errors are mapped to UEE
 * errors.
 */

import type { Redis } from "ioredis";
import type { NamedRequest } from "../core/actor.ts";
import type { ErrorCode } from "../core/errors.ts";
import { luaTables } from "../machines/luaTables.ts";
import { HISTORY_KEPT } from "../machines/request.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { UpstreamKeys } from "../redis/keys.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../redis/newestFirst.ts";
import { loadScripts, type Script } from "../redis/scripts.ts";
import { redisMs } from "../redis/time.ts";
import {
  type BreakerReply,
  type BreakerTransition,
  type BreakerView,
  decodeBreakerReply,
  toBreakerTransition,
  toView,
} from "./report.ts";

const scripts = loadScripts(import.meta.url, ["admit-2", "report-2", "reset-2"], luaTables);

export interface CallReport {
  /** Version of the breaker when the call began. */
  version: number;
  token: string | undefined;
  outcome: "success" | "failure" | "nothing";
  code?: ErrorCode;
  message?: string;
  reason?: string;
  threshold: number;
  openMs: number;
  pauseMs: number;
}

export interface BreakerStoreOptions {
  upstream: string;
  redis: Redis;
  keys: Pick<UpstreamKeys, "breaker" | "breakerTransitions">;
  /** Name of this process in transitions and probes. */
  actor: string;
}

export class BreakerStore {
  readonly upstream: string;
  readonly #o: BreakerStoreOptions;

  constructor(options: BreakerStoreOptions) {
    this.upstream = options.upstream;
    this.#o = options;
  }

  admit(
    asked: { mode: "call" | "again" } | { mode: "probe"; token: string; leaseMs: number },
  ): Promise<BreakerReply> {
    return this.#ask(scripts.admit, asked);
  }

  report(report: CallReport): Promise<BreakerReply> {
    return this.#ask(scripts.report, report);
  }

  /** False when another process holds the token now. */
  async renew(token: string, leaseMs: number): Promise<boolean> {
    return (await this.#ask(scripts.admit, { mode: "renew", token, leaseMs })).verdict === "probe";
  }

  /** Verdict: `moved`, `unchanged` (already closed) or `lost` (the version has changed). */
  reset(version: number, by: NamedRequest): Promise<BreakerReply> {
    return this.#ask(scripts.reset, { expect: { version }, actor: by.actor, reason: by.reason });
  }

  async view(): Promise<BreakerView> {
    const { redis, keys } = this.#o;
    const [fields, nowMs] = await this.#run(Promise.all([redis.hgetall(keys.breaker), redisMs(redis)]));
    return toView(this.upstream, fields, nowMs);
  }

  /** Newest first. */
  transitions(page: PageRequest): Promise<StreamPage<BreakerTransition>> {
    const { redis, keys } = this.#o;
    return this.#run(
      readNewestFirst(redis, keys.breakerTransitions, page, (id, fields) =>
        toBreakerTransition(this.upstream, fields, id),
      ),
    );
  }

  async #ask(script: Script, request: object): Promise<BreakerReply> {
    const { redis, keys, actor } = this.#o;
    const asked = JSON.stringify({ actor, kept: HISTORY_KEPT, ...request });
    const reply = await this.#run(script.run(redis, [keys.breaker, keys.breakerTransitions], [asked]));
    return decodeBreakerReply(this.upstream, reply);
  }

  async #run<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw mapRedisError(error);
    }
  }
}
