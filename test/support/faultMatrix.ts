/**
 * One cell of the fault matrix: providers are mirrored in full and then by an increment while the simulator injects
 * faults; afterwards the store must equal the simulator's content.
 */
import type { RunProgress } from "../../src/engine/api.ts";
import { type Simulator, startSimulator, type Upstream, upstreamNames } from "../../src/simulator/index.ts";
import { storedText, upstreamText } from "./storedEqual.ts";
import { exported, openTestEngine, type TestEngine } from "./testEngine.ts";

export interface Cell {
  faults: string[];
  seed: number;
  providers: readonly Upstream[];
}

export interface CellResult {
  runs: RunProgress[];
  injected: number;
  /** What is wrong, in words; empty when the cell passes. */
  breaches: string[];
}

/** Time-outs end stalls. They are short because the simulator answers at once when it answers. */
const timeouts = { connectMs: 2_000, headersMs: 400, idleMs: 400, totalMs: 20_000 };

let prefixes = 0;

export async function runCell(redisUrl: string, { faults, seed, providers }: Cell): Promise<CellResult> {
  const simulator = await startSimulator({
    seed,
    // Two NVD pages.
    cves: 2_100,
    cwes: 40,
    capecs: 30,
    attackObjects: 150,
    recordBytes: 600,
  });
  const uee = await openTestEngine(redisUrl, {
    prefix: `m${prefixes++}-${process.pid}`,
    timeouts,
    providers: Object.fromEntries(
      upstreamNames.map((name) => [name, { url: simulator.urls[name], rate: "unlimited" as const }]),
    ),
  });
  const result: CellResult = { runs: [], injected: 0, breaches: [] };
  try {
    const worker = await uee.engine.startWorker({ providers: [...providers] });
    simulator.setFaults(faults);
    await pass(uee, providers, "full", result);
    await compare(uee, simulator, providers, "full", result);
    // Law 1 promises of increments what their windows cover, so the upstreams change without silent edits.
    simulator.mutate({ add: 7, modify: 40 });
    for (const provider of providers)
      if (provider !== "cve") simulator.mutate({ provider, add: 2, modify: 3 });
    await pass(uee, providers, "incremental", result);
    const counts = simulator.counts();
    result.injected = counts.injectedTotal;
    for (const provider of providers) {
      const runs = result.runs.filter((run) => run.provider === provider);
      const counted = runs.reduce((sum, run) => sum + run.requests, 0);
      if (counted !== counts.requests[provider])
        result.breaches.push(
          `${provider}: ${counts.requests[provider]} requests arrived, the runs count ${counted}`,
        );
    }
    await compare(uee, simulator, providers, "incremental", result);
    await worker.stop();
  } finally {
    await uee.close();
    await simulator.close();
  }
  return result;
}

async function pass(
  uee: TestEngine,
  providers: readonly Upstream[],
  mode: "full" | "incremental",
  result: CellResult,
): Promise<void> {
  const runs = await Promise.all(
    providers.map(async (provider) => {
      const { runId } = await uee.engine.openRun({ provider, mode });
      return await uee.engine.waitForRun(provider, runId, {
        pollMs: 20,
        signal: AbortSignal.timeout(100_000),
      });
    }),
  );
  for (const run of runs) {
    result.runs.push(run);
    if (run.state !== "complete") {
      result.breaches.push(
        `${run.provider} ${mode} ended ${run.state}: ${run.error?.code} ${run.error?.message}`,
      );
    }
    const sum = run.created + run.updated + run.unchanged;
    if (run.fetched !== sum)
      result.breaches.push(`${run.provider}: fetched ${run.fetched}, accounted for ${sum}`);
  }
}

async function compare(
  uee: TestEngine,
  simulator: Simulator,
  providers: readonly Upstream[],
  when: string,
  result: CellResult,
): Promise<void> {
  for (const provider of providers) {
    const store = await exported(uee.engine, provider);
    for (const entry of simulator.content(provider)) {
      const { id } = entry;
      if (!store.has(id)) result.breaches.push(`${provider} after ${when}: ${id} is missing`);
      else if (storedText(provider, store.get(id)) !== upstreamText(entry))
        result.breaches.push(`${provider} after ${when}: ${id} differs`);
      store.delete(id);
    }
    for (const id of store.keys()) result.breaches.push(`${provider} after ${when}: ${id} is not upstream`);
    result.breaches.splice(20);
  }
}
