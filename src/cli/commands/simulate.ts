import { UeeError } from "../../core/errors.ts";
import type { Simulator } from "../../simulator/index.ts";
import { upstreamNames } from "../../simulator/types.ts";
import { parseCount } from "../arguments.ts";
import { command, type FlagsOf } from "../command.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output.ts";
import { styleFor } from "../render/text.ts";
import { untilAborted } from "../service.ts";

const options = {
  "--cves <n>": "generated CVEs (default: 3000)",
  "--port <port>": "port to listen on (default: a free one)",
  "--seed <n>": "same seed, same data (default: 1)",
  "--fault <spec...>": "name[(argument)][@rate][#nth][xcount][:upstream]; may be repeated",
  "--data <dir>": "serve the real records of this folder",
  "--point <point>": "before or after: the content exists at two points in time (default: before)",
  "--nvd-rate <max/window>": "enforce NVD's limit, e.g. 5/30s",
  "--latency-ms <ms>": "wait before every answer",
  "--extremes": "add records that no real feed has: nulls, lone surrogates, 684 KB, deep nesting",
  "--odd-times": "times with 0 to 9 fraction digits, with and without a zone",
  "--json": "print one JSON document with the addresses, then serve",
} as const;

export const simulate = command({
  name: "simulate",
  summary: "local stand-ins for every upstream, with faults on demand",
  description:
    "Serves a stand-in for the upstream of every provider, and for NVD's year feeds, on loopback until Ctrl-C, and " +
    "prints the environment that points UEE to them. Generated data of any size, the same for the same seed; or the real records of a folder.",
  options,
  examples: [
    "uee simulate --cves 50000",
    "uee simulate --fault status-503@0.05 --fault reset#3:cve",
    "uee simulate --fault all@0.10 --nvd-rate 5/30s",
  ],
  async run(context, flags) {
    const port = flags.port === undefined ? 0 : parseCount(flags.port, "--port", { min: 0, max: 65_535 });
    const { readArguments } = await import("../../simulator/arguments.ts");
    const { startSimulator } = await import("../../simulator/index.ts");
    const interrupts = context.interrupts();
    try {
      const started = startSimulator(readArguments(asArguments(flags), {}).options);
      const simulator = await started.catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EADDRINUSE") throw error;
        throw new UeeError(
          "SYS_USAGE",
          `Port ${port} is taken; choose another --port, or none for a free one.`,
        );
      });
      const { url, urls } = simulator;
      if (flags.json) printJson(context, { url, urls, env: environmentOf(simulator) });
      else printAddresses(context, simulator);
      await untilAborted(interrupts.signal);
      await simulator.close();
    } finally {
      interrupts.release();
    }
  },
});

/** The simulator parses its own flags and reports their errors. */
function asArguments(flags: FlagsOf<typeof options>): string[] {
  const valued = {
    ...{ "--cves": flags.cves, "--port": flags.port, "--seed": flags.seed, "--shared-data": flags.data },
    ...{ "--point": flags.point, "--nvd-rate": flags.nvdRate, "--latency-ms": flags.latencyMs },
  };
  return [
    ...Object.entries(valued).flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
    ...(flags.extremes ? ["--extremes"] : []),
    ...(flags.oddTimes ? ["--odd-times"] : []),
    ...(flags.fault ?? []).flatMap((spec) => ["--fault", spec]),
  ];
}

/** The settings that make UEE use a simulator instead of the real upstreams. */
export const environmentOf = ({ urls }: Pick<Simulator, "urls">): Record<string, string> => ({
  ...Object.fromEntries(upstreamNames.map((name) => [`UEE_${name.toUpperCase()}_URL`, urls[name]])),
  UEE_CVE_FEEDS_URL: urls.feeds,
  UEE_CVE_RATE: "unlimited",
});

function printAddresses(context: CliContext, simulator: Simulator): void {
  const style = styleFor(context.stdout, context.env);
  const { url } = simulator;
  const lines = [
    `${style.bold("Simulator")} at ${style.cyan(url)}. Paste this in another terminal, then: uee run all --wait`,
    "",
    ...Object.entries(environmentOf(simulator)).map(([name, value]) => `export ${name}=${value}`),
    "",
    `${style.dim("Some days later:  ")}curl -X POST ${url}/_sim/point -d '{"point":"after"}'`,
    `${style.dim("Other faults:     ")}curl -X POST ${url}/_sim/faults -d '{"faults":["status-503@0.1"]}'`,
    `${style.dim("What was asked:   ")}curl ${url}/_sim/counts`,
    style.dim("Ctrl-C ends it."),
  ];
  context.stdout.write(`${lines.join("\n")}\n`);
}
