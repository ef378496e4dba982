/** Draws faults out of the simulator's whole catalogue, at rates that leave a fleet something to do. */
import {
  type FaultName,
  faultCatalog,
  faultNames,
  transientFaults,
} from "../../src/simulator/faults/catalog.ts";
import type { Random } from "../../src/simulator/random.ts";
import { badKinds, type Upstream, upstreamNames } from "../../src/simulator/types.ts";

/** Each costs a client a great deal of time or memory: once is enough. */
const heavy: ReadonlySet<FaultName> = new Set(["oversize", "zip-bomb", "xml-bomb"]);

const targetsOf = (name: FaultName): Upstream[] =>
  upstreamNames.filter((one) => (faultCatalog[name].on as readonly string[]).includes(one));
const ofProviders = faultNames.filter((name) => targetsOf(name).length > 0);
const ofFeeds = transientFaults.feeds.filter((name) => !heavy.has(name));
/** The faults that the upstreams of a hunt can have. */
export const inHunts = [...new Set([...ofProviders, ...ofFeeds])];

export function drawFaults(random: Random, waitScale: number): string[] {
  const count = random.int(1, 3);
  const specs: string[] = [];
  for (let i = 0; i < count; i++) {
    if (random.chance(0.2)) specs.push(`all@${random.pick(["0.2", "0.5"])}`);
    else if (random.chance(0.15)) specs.push(told(random, waitScale, random.pick(waits)));
    else specs.push(drawOne(random, waitScale));
  }
  return specs;
}

/** Mostly none, so that full runs come to their end by feeds too. */
export function drawFeedFaults(random: Random): string[] {
  if (!random.chance(0.4)) return [];
  const name = random.pick(ofFeeds);
  return [`${name}${random.chance(0.5) ? `x${random.int(1, 3)}` : "@0.2"}:feeds`];
}

const waits = ["status-429", "status-503-retry-after"] as const;

/** An answer that tells the fleet to wait: half a second to two, as it really waits. */
function told(random: Random, waitScale: number, name: (typeof waits)[number]): string {
  const seconds = Math.ceil((random.int(5, 20) / 10 / waitScale) * 10) / 10;
  return `${name}(${seconds})${random.chance(0.5) ? `x${random.int(1, 3)}` : "@0.3"}`;
}

function drawOne(random: Random, waitScale: number): string {
  const name = random.pick(ofProviders);
  const target = random.chance(0.5) ? `:${random.pick(targetsOf(name))}` : "";
  if (name === "bad-record") {
    // Seldom so many that the provider is paused for them.
    const rate = random.pick(["0.005", "0.02", "0.02", "0.2"]);
    return `${name}${random.chance(0.5) ? `(${random.pick(badKinds)})` : ""}@${rate}${target}`;
  }
  if (heavy.has(name)) return `${name}x1${target}`;
  if (name === "status-429" || name === "status-503-retry-after")
    return `${told(random, waitScale, name)}${target}`;
  return `${name}${random.chance(0.4) ? `x${random.int(1, 3)}` : `@${random.pick(["0.2", "0.5", "1"])}`}${target}`;
}
