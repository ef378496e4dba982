/** Predicts from measured bytes per record whether a full load fits into this Redis, before it starts. */
import { formatBytes, formatCount } from "../render/numbers.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

export interface ExpectedLoad {
  provider: string;
  /** Records of a complete mirror. */
  records: number;
  /** Redis memory per record, including run keys, bytes. */
  bytesPerRecord: number;
}

export interface MemoryFacts {
  usedMemory: number;
  /** 0: no limit. */
  maxMemory: number;
  /** Memory of the machine that runs Redis, bytes; 0 when unknown. */
  systemMemory: number;
  /** Free memory on that machine, bytes; undefined when Redis runs elsewhere. */
  freeMemory?: number;
}

/** A run in progress keeps slices, jobs and received ids beside the records; Redis itself fragments memory. */
const headroom = 1.15;

export function predictFit(
  load: readonly ExpectedLoad[],
  present: ReadonlyMap<string, number>,
  memory: MemoryFacts,
): Finding {
  const missing = load.reduce(
    (bytes, one) => bytes + Math.max(0, one.records - (present.get(one.provider) ?? 0)) * one.bytesPerRecord,
    0,
  );
  const need = Math.round(memory.usedMemory + missing * headroom);
  const records = load.reduce((sum, one) => sum + one.records, 0);
  const what = `a complete mirror (${formatCount(records)} records) needs about ${formatBytes(need)}`;
  const limits = [
    ...(memory.maxMemory > 0 ? [{ name: "maxmemory", bytes: memory.maxMemory }] : []),
    ...(memory.systemMemory > 0 ? [{ name: "the machine's memory", bytes: memory.systemMemory }] : []),
    ...(memory.freeMemory === undefined
      ? []
      : [{ name: "free memory", bytes: memory.usedMemory + memory.freeMemory }]),
  ];
  const least = limits.sort((a, b) => a.bytes - b.bytes)[0];
  if (!least) return note("memory", `${what}; Redis does not say how much it has`);
  if (need > least.bytes) {
    const remedy =
      least.name === "maxmemory"
        ? `Raise it: CONFIG SET maxmemory ${Math.ceil(need / 1_048_576)}mb, if the machine has that much.`
        : "Use a machine with more memory, or mirror fewer providers.";
    return problem("memory", `${what}, ${least.name} allows ${formatBytes(least.bytes)}`, remedy);
  }
  return ok("memory", `${what} of ${formatBytes(least.bytes)} (${least.name})`);
}
