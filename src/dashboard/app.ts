/** The HTTP side: its Fastify instance, its options, and the services that its routes use. */
import type {
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Logger } from "../core/logger.ts";
import type { Engine } from "../engine/api.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import type { Webhook } from "../session/webhook.ts";
import type { FleetView } from "./live/fleetView.ts";

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  Logger,
  ZodTypeProvider
>;

export interface RouteSurroundings {
  /** @throws UeeError SYS_REDIS_UNREACHABLE until Redis has been reached */
  engine(): Engine;
  /** Undefined where no webhook is configured. */
  webhook(): Webhook | undefined;
  readonly view: FleetView;
  readonly limits: Limits;
}

/** The sources of the answers once Redis has been reached. */
export interface Backend {
  readonly engine: Engine;
  readonly webhook?: Webhook | undefined;
  /** For the HTTP side's own keys in Redis (ended logins) and for Bull Board. */
  readonly redis: Pick<RedisConnections, "of">;
  readonly keys: Keys;
}

export interface Limits {
  /** Largest request body, bytes. */
  readonly bodyBytes: number;
  /** Requests per minute from one address. */
  readonly requests: number;
  /**
   * Requests per minute from one address with missing or wrong credentials; beyond it valid ones are not checked
   * either.
   */
  readonly refusals: number;
  /** Logins per minute from one address. */
  readonly logins: number;
  /** Time for a request, ms; Redis may hang. */
  readonly answerMs: number;
  /** Clients that may follow the events at once. */
  readonly followers: number;
  /** Bytes that may wait for a slow follower before it is disconnected. */
  readonly followerBytes: number;
  /** Maximum age of an overview, ms; simultaneous requests share one. */
  readonly freshMs: number;
  /** Interval of the views of Redis for all followers, ms. */
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
  /** @throws UeeError SYS_REDIS_UNREACHABLE until Redis has been reached */
  backend(): Backend;
  logger: Logger;
  /** Version of UEE. */
  version: string;
  /** UEE_API_TOKEN; without it every user of this machine has full access. */
  token?: string;
  /** Values that must never be shown (token, API keys, passwords). */
  secrets?: readonly string[];
  /** Number of reverse proxies in front whose X-Forwarded-* headers are trusted. */
  trustProxy?: number;
  limits?: Partial<Limits>;
  /** Folder of the built page. Default: the build's output. */
  pageFiles?: string;
}
