import type { Command } from "commander";
import { UeeError } from "../../core/errors.ts";
import type { Simulator } from "../../simulator/index.ts";
import { upstreamNames } from "../../simulator/types.ts";
import { parseCount } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { styleFor } from "../render/style.ts";
import { untilAborted } from "../untilAborted.ts";

interface SimulateFlags {
  cves?: string;
  port?: string;
  seed?: string;
  fault?: string[];
  data?: string;
  point?: string;
  nvdRate?: string;
  latencyMs?: string;
  extremes?: boolean;
  oddTimes?: boolean;
  json?: boolean;
}

export function defineSimulate(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("simulate")
    .summary("local stand-ins for every upstream, with faults on demand")
    .description(
      "Serves a stand-in for the upstream of every provider, and for NVD's year feeds, on loopback until Ctrl-C, and " +
        "prints the environment that points UEE to them. Generated data of any size, the same for the same seed; or the real records of a folder.",
    )
    .option("--cves <n>", "generated CVEs (default: 3000)")
    .option("--port <port>", "port to listen on (default: a free one)")
    .option("--seed <n>", "same seed, same data (default: 1)")
    .option("--fault <spec...>", "name[(argument)][@rate][#nth][xcount][:upstream]; may be repeated")
    .option("--data <dir>", "serve the real records of this folder")
    .option("--point <point>", "before or after: the content exists at two points in time (default: before)")
    .option("--nvd-rate <max/window>", "enforce NVD's limit, e.g. 5/30s")
    .option("--latency-ms <ms>", "wait before every answer")
    .option("--extremes", "add records that no real feed has: nulls, lone surrogates, 684 KB, deep nesting")
    .option("--odd-times", "times with 0 to 9 fraction digits, with and without a zone")
    .option("--json", "print one JSON document with the addresses, then serve")
    .addHelpText(
      "after",
      `
Examples:
  $ uee simulate --cves 50000
  $ uee simulate --fault status-503@0.05 --fault reset#3:cve
  $ uee simulate --fault all@0.10 --nvd-rate 5/30s`,
    )
    .action(async (options: SimulateFlags) => {
      finish(await simulate(context, options));
    });
}

async function simulate(context: CliContext, flags: SimulateFlags): Promise<number> {
  const port = flags.port === undefined ? 0 : parseCount(flags.port, "--port", { min: 0, max: 65_535 });
  const { readArguments } = await import("../../simulator/arguments.ts");
  const { startSimulator } = await import("../../simulator/index.ts");
  const { options } = readArguments(asArguments(flags), {});
  const interrupts = context.interrupts();
  try {
    const simulator = await startSimulator(options).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      throw new UeeError(
        "SYS_USAGE",
        `Port ${port} is taken; choose another --port, or none for a free one.`,
      );
    });
    if (flags.json)
      printJson(context, { url: simulator.url, urls: simulator.urls, env: environmentOf(simulator) });
    else printAddresses(context, simulator);
    await untilAborted(interrupts.signal);
    await simulator.close();
    return EXIT.done;
  } finally {
    interrupts.release();
  }
}

/** The simulator parses its own flags and reports their errors. */
function asArguments(flags: SimulateFlags): string[] {
  const named: [string, string | undefined][] = [
    ["--cves", flags.cves],
    ["--port", flags.port],
    ["--seed", flags.seed],
    ["--shared-data", flags.data],
    ["--point", flags.point],
    ["--nvd-rate", flags.nvdRate],
    ["--latency-ms", flags.latencyMs],
    ["--extremes", flags.extremes ? "" : undefined],
    ["--odd-times", flags.oddTimes ? "" : undefined],
    ...(flags.fault ?? []).map((spec): [string, string] => ["--fault", spec]),
  ];
  return named.flatMap(([name, value]) => (value === undefined ? [] : value === "" ? [name] : [name, value]));
}

/** The settings that make UEE use a simulator instead of the real upstreams. */
export const environmentOf = ({ urls }: Pick<Simulator, "urls">): Record<string, string> => ({
  ...Object.fromEntries(upstreamNames.map((name) => [`UEE_${name.toUpperCase()}_URL`, urls[name]])),
  UEE_CVE_RATE: "unlimited",
});

function printAddresses(context: CliContext, simulator: Simulator): void {
  const style = styleFor(context.stdout, context.env);
  const { url, urls } = simulator;
  const lines = [
    `${style.bold("Simulator")} at ${style.cyan(url)}. Paste this in another terminal, then: uee run all --wait`,
    "",
    ...Object.entries(environmentOf(simulator)).map(([name, value]) => `export ${name}=${value}`),
    "",
    `${style.dim("Also served:      ")}${urls.feeds}`,
    `${style.dim("Some days later:  ")}curl -X POST ${url}/_sim/point -d '{"point":"after"}'`,
    `${style.dim("Other faults:     ")}curl -X POST ${url}/_sim/faults -d '{"faults":["status-503@0.1"]}'`,
    `${style.dim("What was asked:   ")}curl ${url}/_sim/counts`,
    style.dim("Ctrl-C ends it."),
  ];
  context.stdout.write(`${lines.join("\n")}\n`);
}
