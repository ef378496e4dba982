/** The Fastify instance as all of the HTTP side knows it, and what its routes stand on. */
import type {
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Logger } from "../core/logger.ts";
import type { Engine } from "../engine/api.ts";
import type { FleetView } from "./live/fleetView.ts";
import type { Limits } from "./options.ts";

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  Logger,
  ZodTypeProvider
>;

export interface RouteSurroundings {
  /** @throws UeeError SYS_REDIS_UNREACHABLE as long as Redis was never reached */
  engine(): Engine;
  readonly view: FleetView;
  readonly limits: Limits;
}
