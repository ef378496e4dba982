/** What the HTTP side is built from. */
import type { Redis } from "ioredis";
import type { Logger } from "../core/logger.ts";
import type { Engine } from "../engine/api.ts";
import type { Keys } from "../redis/keys.ts";

/** What stands behind the answers once Redis was reached. */
export interface Backend {
  readonly engine: Engine;
  /** For what is the HTTP side's own in Redis (ended logins) and for Bull Board. */
  readonly redis: Redis;
  readonly keys: Keys;
}

export interface Limits {
  /** Largest request body, bytes. */
  readonly bodyBytes: number;
  /** Requests a minute from one address. */
  readonly requests: number;
  /** Requests a minute from one address that showed no or wrong credentials; then right ones are not looked at either. */
  readonly refusals: number;
  /** Logins a minute from one address. */
  readonly logins: number;
  /** How long a request may take, ms; Redis may hang. */
  readonly answerMs: number;
  /** Clients that follow the events at once. */
  readonly followers: number;
  /** Bytes that may wait for one slow follower before it is cut off. */
  readonly followerBytes: number;
  /** Who asks for the overview gets one that is at most so old, ms; many who ask at once share one. */
  readonly freshMs: number;
  /** Between two looks at Redis for all followers, ms. */
  readonly pollMs: number;
}

export const usualLimits: Limits = {
  bodyBytes: 64 * 1024,
  requests: 12_000,
  refusals: 300,
  logins: 60,
  answerMs: 10_000,
  followers: 200,
  followerBytes: 1024 * 1024,
  freshMs: 250,
  pollMs: 1_000,
};

export interface DashboardOptions {
  /** @throws UeeError SYS_REDIS_UNREACHABLE as long as Redis was never reached */
  backend(): Backend;
  logger: Logger;
  /** Of this UEE. */
  version: string;
  /** UEE_API_TOKEN; without it everybody on this machine may do everything. */
  token?: string;
  /** Values that must never show, wherever they stand (token, API keys, passwords). */
  secrets?: readonly string[];
  /** Reverse proxies in front whose X-Forwarded-* headers are believed. */
  trustProxy?: number;
  limits?: Partial<Limits>;
  /** Folder of the built page. Default: where the build puts it. */
  pageFiles?: string;
}
