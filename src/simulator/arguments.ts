/** Flags of the standalone simulator, also available as environment variables: UEE_SIM_CVES for --cves, and so on. */
import { parseArgs } from "node:util";
import { UeeError } from "../core/errors.ts";
import { parseDuration } from "../core/time.ts";
import type { SimulatorOptions } from "./types.ts";

export interface SimulatorArguments {
  options: SimulatorOptions;
  /** Exit when standard input ends, which happens when the parent dies. */
  exitWithParent: boolean;
}

const simulatorUsage = `Usage: simulator [flags]
  --port P --host H           where to listen (a free port on 127.0.0.1)
  --cves N --cwes N --capecs N --attack-objects N
  --seed S --now ISO          same seed and time, same bytes
  --shared-data DIR           real feeds instead of generated ones
  --point before|after        point in time of the content
  --fault SPEC                may be repeated: name[(argument)][@rate][#nth][xcount][:upstream]
  --nvd-rate MAX/WINDOW[/KEYMAX]   enforce NVD's limit, e.g. 5/30s/50
  --api-key KEY               accepted keys; may be repeated
  --latency-ms N --record-bytes N --order id|shuffled
  --extremes --odd-times --drift --no-gzip
  --exit-with-parent          end when standard input ends`;

const usage = (text: string): UeeError => new UeeError("SYS_USAGE", text);

const numbers = ["port", "seed", "cves", "cwes", "capecs", "attack-objects", "latency-ms", "record-bytes"];
const texts = ["host", "now", "shared-data", "point", "order", "nvd-rate"];
const many = ["fault", "api-key"];
const switches = ["extremes", "odd-times", "drift", "no-gzip", "exit-with-parent"];
const flags = Object.fromEntries([
  ...[...numbers, ...texts].map((name) => [name, { type: "string" as const }]),
  ...many.map((name) => [name, { type: "string" as const, multiple: true }]),
  ...switches.map((name) => [name, { type: "boolean" as const }]),
]);

export function readArguments(argv: readonly string[], env: NodeJS.ProcessEnv): SimulatorArguments {
  const given = readFlags(argv, env);
  const one = (name: string): string | undefined => given.get(name)?.at(-1);
  const count = (name: string): number | undefined => {
    const text = one(name);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) throw usage(`--${name} takes a whole number, not '${text}'.`);
    return Number(text);
  };
  const choice = <T extends string>(name: string, values: readonly T[]): T | undefined => {
    const text = one(name);
    const found = values.find((value) => value === text);
    if (text !== undefined && !found) throw usage(`--${name} is ${values.join(" or ")}, not '${text}'.`);
    return found;
  };
  const sharedData = one("shared-data");
  const rate = one("nvd-rate");
  const keys = given.get("api-key");
  return {
    exitWithParent: given.has("exit-with-parent"),
    options: {
      ...Object.fromEntries(numbers.map((name) => [camelCase(name), count(name)])),
      host: one("host"),
      now: one("now"),
      ...(sharedData === undefined ? {} : { dataset: { sharedData } }),
      point: choice("point", ["before", "after"]),
      order: choice("order", ["id", "shuffled"]),
      faults: given.get("fault") ?? [],
      ...(rate === undefined ? {} : { nvdRate: readRate(rate) }),
      ...(keys === undefined ? {} : { apiKeys: keys }),
      gzip: !given.has("no-gzip"),
      drift: given.has("drift"),
      extremes: given.has("extremes"),
      oddTimes: given.has("odd-times"),
    },
  };
}

const camelCase = (name: string): string =>
  name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The given values, by flag; a flag takes precedence over the environment. */
function readFlags(argv: readonly string[], env: NodeJS.ProcessEnv): Map<string, string[]> {
  const given = new Map<string, string[]>();
  for (const name of Object.keys(flags)) {
    const value = env[`UEE_SIM_${name.replaceAll("-", "_").toUpperCase()}`];
    if (value)
      given.set(name, many.includes(name) ? value.split(" ").filter((part) => part !== "") : [value]);
  }
  try {
    const { values } = parseArgs({ args: [...argv], options: flags });
    for (const [name, value] of Object.entries(values)) given.set(name, [value].flat().map(String));
  } catch (error) {
    throw usage(`${(error as Error).message}\n${simulatorUsage}`);
  }
  return given;
}

function readRate(text: string): NonNullable<SimulatorOptions["nvdRate"]> {
  const match = /^(\d+)\/(\d+(?:\.\d+)?(?:ms|s|m|h)?)(?:\/(\d+))?$/.exec(text);
  if (!match)
    throw usage(`--nvd-rate is MAX/WINDOW or MAX/WINDOW/KEYMAX, for example 5/30s/50, not '${text}'.`);
  return {
    max: Number(match[1]),
    windowMs: parseDuration(match[2]!),
    ...(match[3] === undefined ? {} : { keyMax: Number(match[3]) }),
  };
}
