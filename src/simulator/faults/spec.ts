/**
 * Fault specs as people write them:
 *
 *     name[(argument)][@rate][#nth[,nth…]][xcount][:upstream|:/path]
 *
 * `status-503@0.05` one in twenty · `reset#3:cve` the third request to cve · `status-429(5)x2` the first two ·
 * `all@0.10` everything transient, a tenth of the requests in total. Without rate, nth and count: every request.
 */
import { UeeError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import { badKinds, type StandIn, standIns } from "../types.ts";
import { type FaultName, faultCatalog, faultEntry, faultNames } from "./catalog.ts";

export interface FaultSpec {
  name: FaultName | "all";
  arg: string | undefined;
  /** Probability; 1 if not given. */
  rate: number;
  /** Numbers of the requests this spec could apply to, counted from when it was set; 1 is the first. Empty: any. */
  nth: readonly number[];
  /** Maximum number of applications. */
  count: number;
  upstream: StandIn | undefined;
  /** Exact path. */
  path: string | undefined;
  /** As written. */
  text: string;
}

const SPEC =
  /^([a-z][a-z0-9-]*?)(?:\(([^()]*)\))?(?:@(\d*\.?\d+(?:e-\d+)?%?))?(?:#(\d+(?:,\d+)*))?(?:x(\d+))?(?::(\/.*|[a-z]+))?$/;
const WRITE = "Write name[(argument)][@rate][#nth][xcount][:upstream], for example status-503@0.05:cve.";

const usage = (text: string): UeeError => new UeeError("SYS_USAGE", text);

export function parseFault(text: string): FaultSpec {
  const match = SPEC.exec(text.trim());
  if (!match) throw usage(`'${text}' is not a fault. ${WRITE}`);
  const [, name = "", arg, rateText = "1", nthText, countText, target] = match;
  if (name !== "all" && !(name in faultCatalog)) {
    const known = faultNames.join(", ");
    throw usage(`There is no fault '${name}'.${didYouMean(name, faultNames)} Known: all, ${known}.`);
  }
  const known = name as FaultName | "all";
  const entry = known === "all" ? undefined : faultEntry(known);
  if (arg !== undefined && entry?.arg === undefined) throw usage(`The fault '${name}' takes no argument.`);
  const rate = rateText.endsWith("%") ? Number(rateText.slice(0, -1)) / 100 : Number(rateText);
  if (!(rate >= 0 && rate <= 1)) throw usage(`'${text}': a rate lies between 0 and 1 (or 0% and 100%).`);
  const nth = nthText === undefined ? [] : nthText.split(",").map(Number);
  if (nth.includes(0)) throw usage(`'${text}': requests count from 1.`);
  const path = target?.startsWith("/") ? target : undefined;
  const upstream = standIns.find((one) => one === target);
  if (target !== undefined && path === undefined && upstream === undefined)
    throw usage(
      `There is no upstream '${target}'. Use ${standIns.join(", ")} or a path that starts with '/'.`,
    );
  if (upstream && entry && !entry.on.includes(upstream))
    throw usage(`The fault '${name}' cannot happen to ${upstream}, only to ${entry.on.join(", ")}.`);
  if (known === "bad-record") {
    if (nth.length > 0 || countText !== undefined || path !== undefined)
      throw usage("bad-record strikes records, not requests: it takes a rate and an upstream only.");
    if (arg !== undefined && !badKinds.some((kind) => kind === arg))
      throw usage(`There is no kind '${arg}' of bad record. Known: ${badKinds.join(", ")}.`);
  }
  const count = countText === undefined ? Number.POSITIVE_INFINITY : Number(countText);
  return { name: known, arg, rate, nth, count, upstream, path, text: text.trim() };
}

export const parseFaults = (texts: readonly string[]): FaultSpec[] => texts.map(parseFault);
