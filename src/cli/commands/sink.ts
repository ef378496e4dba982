import { UeeError } from "../../core/errors.ts";
import type { PostgresSink } from "../../outlets/postgres/sink.ts";
import { command, jsonOption } from "../command.ts";
import type { CliContext, GlobalFlags, Session } from "../context.ts";
import { EXIT, exitOfSignal } from "../exits.ts";
import { printJson } from "../output.ts";
import { runService, stopInOrder } from "../service.ts";

const postgres = command({
  name: "postgres",
  summary: "load the mirror into PostgreSQL (UEE_POSTGRES_URL) and keep it current",
  description:
    "Loads the mirror into the schema `uee` of the database that UEE_POSTGRES_URL names: the table uee.record and views " +
    "for SQL. Later calls apply what changed since; --follow goes on until SIGTERM. Waits for a PostgreSQL that is away.",
  options: {
    "--follow": "go on with every change until SIGTERM",
    "--verify": "compare every row with the mirror; exit 1 unless all are equal",
    "--rebuild": "load everything again; readers see the old content until it is there",
    "--health-port <port>": "answer GET /livez, /readyz and /metrics there; 0 takes any that is free",
    "--health-host <address>": "address of the health port (default: every address)",
    ...jsonOption,
  },
  examples: [
    "UEE_POSTGRES_URL=postgres://uee@localhost/uee uee sink postgres",
    "uee sink postgres --follow --health-port 8082",
    "uee sink postgres --verify --json",
  ],
  async run(context, { follow = false, verify = false, rebuild = false, json = false, ...flags }) {
    if (verify && (follow || rebuild)) {
      throw new UeeError("SYS_USAGE", "--verify goes with neither --follow nor --rebuild.");
    }
    if (follow) return await serve(context, flags, rebuild);
    const interrupts = context.interrupts();
    const { signal } = interrupts;
    const session = await context.open({ redis: "existing", patience: "command", flags, signal });
    try {
      const url = urlOf(session);
      const { engine, logger } = session;
      if (verify) {
        const { verifySink } = await import("../../outlets/postgres/verify.ts");
        const verdict = await verifySink({ engine, url, signal });
        const { checked, equal, differ, missing, extra } = verdict;
        if (json) printJson(context, verdict);
        else {
          context.stdout.write(
            `${equal} of ${checked} records are equal; ${differ} differ, ${missing} are missing, ${extra} are extra.\n`,
          );
        }
        return differ + missing + extra === 0 ? EXIT.done : EXIT.failed;
      }
      const { PostgresSink } = await import("../../outlets/postgres/sink.ts");
      const sink = new PostgresSink({ engine, url, logger, signal, follow: false, rebuild });
      await sink.run();
      const { changes, current } = sink.state;
      if (json) printJson(context, { changes, current });
      else if (current) context.stdout.write(`PostgreSQL is current: ${changes} changes applied.\n`);
      else context.stderr.write(`Stopped before PostgreSQL was current: ${changes} changes applied.\n`);
      if (current) return EXIT.done;
      return interrupts.caught ? exitOfSignal(interrupts.caught) : EXIT.failed;
    } finally {
      interrupts.release();
      await session.close();
    }
  },
});

export const sink = command({
  name: "sink",
  description: "Keep a copy of the mirror where others query it.",
  commands: [postgres],
});

async function serve(context: CliContext, flags: GlobalFlags, rebuild: boolean): Promise<number> {
  let running: PostgresSink | undefined;
  return runService(context, {
    request: { redis: "required", flags },
    async listen({ config: { healthPort: port, healthHost: host }, logger }) {
      if (port === undefined) return undefined;
      const { startSinkHealth } = await import("../../outlets/postgres/health.ts");
      const health = await startSinkHealth({ port, host, state: () => running?.state });
      logger.info({ event: "health", port: health.port }, `health port ${health.port}`);
      return health;
    },
    async serve(session, signal) {
      const { PostgresSink } = await import("../../outlets/postgres/sink.ts");
      const { engine, logger } = session;
      running = new PostgresSink({ engine, url: urlOf(session), logger, signal, follow: true, rebuild });
      await running.run();
      return await stopInOrder(session);
    },
  });
}

/** @throws UeeError SYS_CONFIG_INVALID */
function urlOf({ config }: Session): string {
  if (config.postgresUrl !== undefined) return config.postgresUrl;
  throw new UeeError(
    "SYS_CONFIG_INVALID",
    "UEE_POSTGRES_URL is not set: `postgres://user:password@host/database`.",
  );
}
