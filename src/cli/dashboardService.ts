/** The dashboard's HTTP server, built from a configuration: for `uee dashboard`, and as a part of `uee up`. */
import type { Config } from "../config/index.ts";
import { isUeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { RunningDashboard } from "../dashboard/listen.ts";
import { version } from "../engine/version.ts";
import { makeKeys } from "../redis/keys.ts";
import type { Style } from "./render/style.ts";
import type { Service } from "./services.ts";
import type { Session } from "./sessionTypes.ts";

/** Listens; Redis may become available later. */
export async function listenAs(
  config: Config,
  logger: Logger,
  port: number = config.port,
): Promise<RunningDashboard> {
  const [{ listenDashboard }, { secretsOf }] = await Promise.all([
    import("../dashboard/listen.ts"),
    import("../config/index.ts"),
  ]);
  return listenDashboard({
    ...{ logger, port, trustProxy: config.trustProxy, version: version() },
    ...(config.host === undefined ? {} : { host: config.host }),
    ...(config.apiToken === undefined ? {} : { token: config.apiToken }),
    secrets: secretsOf(config),
  });
}

/** Sets the engine from which it answers. */
export function attachTo(server: RunningDashboard, { engine, redis, config }: Session): void {
  server.attach({ engine, redis, keys: makeKeys(config.prefix) });
}

export interface DashboardServiceOptions {
  session: Session;
  /** The port is the default: if it is in use, another one is taken. */
  anyPort: boolean;
  style: Style;
  /** The address that is shown. */
  say: (text: string) => void;
}

export function dashboardService({ session, anyPort, style, say }: DashboardServiceOptions): Service {
  const { config, logger } = session;
  let server: RunningDashboard | undefined;
  return {
    name: "dashboard",
    gone: new Promise(() => undefined),
    async start() {
      let note = "";
      server = await listenAs(config, logger).catch((error: unknown) => {
        if (!anyPort || !isUeeError(error, "API_CANNOT_LISTEN")) throw error;
        note = ` (port ${config.port} is in use)`;
        return listenAs(config, logger, 0);
      });
      attachTo(server, session);
      say(`${style.bold("Dashboard")} ${server.url}${note}`);
    },
    async stop() {
      await server?.close();
      return [];
    },
  };
}
