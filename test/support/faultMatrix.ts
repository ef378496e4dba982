/**
 * One cell of the fault matrix: all four providers mirrored in full, and then an increment, while the simulator injects
 * faults; afterwards the store must equal the simulator's content.
 */
import { canonicalJson } from "../../src/core/json.ts";
import type { RunProgress } from "../../src/engine/api.ts";
import { type Simulator, startSimulator, type Upstream, upstreamNames } from "../../src/simulator/index.ts";
import { exported, openTestEngine, type TestEngine } from "./testEngine.ts";

export interface Cell {
  faults: string[];
  seed: number;
  providers?: readonly Upstream[];
  cves?: number;
}

export interface CellResult {
  runs: RunProgress[];
  injected: number;
  /** What is wrong, in words; empty when all is as it must be. */
  breaches: string[];
}

/** Stalls are ended by time-outs: short ones, since the simulator answers at once when it answers. */
const timeouts = { connectMs: 2_000, headersMs: 400, idleMs: 400, totalMs: 20_000 };

/** Their content is XML: what it says is judged by an undisturbed reading of the same documents. */
const xmlProviders: ReadonlySet<string> = new Set(["cwe", "capec"]);

let prefixes = 0;

export async function runCell(redisUrl: string, cell: Cell): Promise<CellResult> {
  const providers = cell.providers ?? upstreamNames;
  const simulator = await startSimulator({
    seed: cell.seed,
    cves: cell.cves ?? 4_300,
    cwes: 60,
    capecs: 50,
    attackObjects: 300,
    extremes: false,
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
    simulator.setFaults(cell.faults);
    await pass(uee, providers, "full", result);
    await compare(redisUrl, uee, simulator, providers, cell.faults, "full", result);
    // The upstreams move on: increments by law 1 hold what their windows cover, so silent edits stay out of it.
    simulator.mutate({ add: 7, modify: 40 });
    for (const provider of providers)
      if (provider !== "cve") simulator.mutate({ provider, add: 2, modify: 3 });
    await pass(uee, providers, "incremental", result);
    const counts = simulator.counts();
    result.injected = counts.injectedTotal;
    // The undisturbed readings between the two asked as well, of the XML providers only.
    for (const provider of providers) {
      if (xmlProviders.has(provider)) continue;
      const said = result.runs.filter((r) => r.provider === provider).reduce((sum, r) => sum + r.requests, 0);
      if (said !== counts.requests[provider]) {
        result.breaches.push(
          `${provider}: ${counts.requests[provider]} requests arrived, the runs say ${said}`,
        );
      }
    }
    await compare(redisUrl, uee, simulator, providers, cell.faults, "incremental", result);
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
  redisUrl: string,
  uee: TestEngine,
  simulator: Simulator,
  providers: readonly Upstream[],
  faults: readonly string[],
  when: string,
  result: CellResult,
): Promise<void> {
  for (const provider of providers) {
    const store = await exported(uee.engine, provider);
    const expected = xmlProviders.has(provider)
      ? await undisturbed(redisUrl, simulator, provider, faults)
      : new Map([...simulator.content(provider)].map(({ id, data }) => [id, data]));
    for (const [id, data] of expected) {
      if (!store.has(id)) result.breaches.push(`${provider} after ${when}: ${id} is missing`);
      else if (canonicalJson(store.get(id)) !== canonicalJson(data)) {
        result.breaches.push(`${provider} after ${when}: ${id} differs`);
      }
      store.delete(id);
    }
    for (const id of store.keys()) result.breaches.push(`${provider} after ${when}: ${id} is not upstream`);
    result.breaches.splice(20);
  }
}

/** The same documents read without faults, by an engine of its own. */
async function undisturbed(
  redisUrl: string,
  simulator: Simulator,
  provider: Upstream,
  faults: readonly string[],
): Promise<Map<string, unknown>> {
  simulator.clearFaults();
  const control = await openTestEngine(redisUrl, {
    prefix: `control${prefixes++}-${process.pid}`,
    providers: { [provider]: { url: simulator.urls[provider], rate: "unlimited" } },
  });
  try {
    const run = await control.run(provider, "full");
    const ids = [...simulator.content(provider)].map(({ id }) => id);
    const read = await exported(control.engine, provider);
    if (run.state !== "complete" || ids.some((id) => !read.has(id)) || read.size !== ids.length) {
      throw new Error(`the undisturbed reading of ${provider} is not whole`);
    }
    return read;
  } finally {
    await control.close();
    simulator.setFaults(faults);
  }
}
