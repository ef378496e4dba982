/** The Fastify instance with its type, and the services that its routes use. */
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
  /** @throws UeeError SYS_REDIS_UNREACHABLE until Redis has been reached */
  engine(): Engine;
  readonly view: FleetView;
  readonly limits: Limits;
}
