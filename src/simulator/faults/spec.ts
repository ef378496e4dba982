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
  /^([a-z][a-z0-9-]*)(?:\(([^()]*)\))?(?:@(\d*\.?\d+(?:e-\d+)?%?))?(?:#(\d+(?:,\d+)*))?(?:x(\d+))?(?::(\/.*|[a-z]+))?$/;
const WRITE = "Write name[(argument)][@rate][#nth][xcount][:upstream], for example status-503@0.05:cve.";

/** `503x2` style counts stick to names: a name may end in `x<digits>` only by mistake, so the count is cut off first. */
export function parseFault(text: string): FaultSpec {
  const match = SPEC.exec(text.trim());
  if (!match) throw new UeeError("SYS_USAGE", `'${text}' is not a fault. ${WRITE}`);
  let [, name = "", arg, rateText, nthText, countText, target] = match;
  const glued = countText === undefined ? /^(.+?)x(\d+)$/.exec(name) : null;
  if (glued && arg === undefined && rateText === undefined && nthText === undefined) {
    name = glued[1]!;
    countText = glued[2];
  }
  if (name !== "all" && !(name in faultCatalog))
    throw new UeeError(
      "SYS_USAGE",
      `There is no fault '${name}'.${didYouMean(name, faultNames)} Known: all, ${faultNames.join(", ")}.`,
    );
  const known = name as FaultName | "all";
  if (arg !== undefined && (known === "all" || faultEntry(known).arg === undefined))
    throw new UeeError("SYS_USAGE", `The fault '${name}' takes no argument.`);
  const rate = readRate(rateText, text);
  const nth = nthText === undefined ? [] : nthText.split(",").map(Number);
  if (nth.includes(0)) throw new UeeError("SYS_USAGE", `'${text}': requests count from 1.`);
  const { upstream, path } = readTarget(known, target);
  if (known === "bad-record")
    checkBadRecord(arg, nth.length > 0 || countText !== undefined || path !== undefined);
  return {
    name: known,
    arg,
    rate,
    nth,
    count: countText === undefined ? Number.POSITIVE_INFINITY : Number(countText),
    upstream,
    path,
    text: text.trim(),
  };
}

function checkBadRecord(kind: string | undefined, narrowed: boolean): void {
  if (narrowed)
    throw new UeeError(
      "SYS_USAGE",
      "bad-record strikes records, not requests: it takes a rate and an upstream only.",
    );
  if (kind !== undefined && !badKinds.some((known) => known === kind))
    throw new UeeError(
      "SYS_USAGE",
      `There is no kind '${kind}' of bad record. Known: ${badKinds.join(", ")}.`,
    );
}

function readRate(text: string | undefined, whole: string): number {
  if (text === undefined) return 1;
  const rate = text.endsWith("%") ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (!(rate >= 0 && rate <= 1))
    throw new UeeError("SYS_USAGE", `'${whole}': a rate lies between 0 and 1 (or 0% and 100%).`);
  return rate;
}

function readTarget(
  name: FaultName | "all",
  target: string | undefined,
): { upstream: StandIn | undefined; path: string | undefined } {
  if (target === undefined) return { upstream: undefined, path: undefined };
  if (target.startsWith("/")) return { upstream: undefined, path: target };
  const upstream = standIns.find((one) => one === target);
  if (!upstream)
    throw new UeeError(
      "SYS_USAGE",
      `There is no upstream '${target}'. Use ${standIns.join(", ")} or a path that starts with '/'.`,
    );
  if (name !== "all" && !faultEntry(name).on.includes(upstream))
    throw new UeeError(
      "SYS_USAGE",
      `The fault '${name}' cannot happen to ${upstream}, only to ${faultEntry(name).on.join(", ")}.`,
    );
  return { upstream, path: undefined };
}

export const parseFaults = (texts: readonly string[]): FaultSpec[] => texts.map(parseFault);
