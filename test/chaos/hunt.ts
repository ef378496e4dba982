/**
 * One hunt: a world, a plan played upon it, healing, a last increment and a last full run of everything, and a history of it
 * all for the verifier.
 */
import { mkdirSync, mkdtempSync, openSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { OpenedRun, RunProgress } from "../../src/engine/api.ts";
import type { EngineSettings } from "../../src/engine.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type SimulatorUrls, type Upstream, upstreamNames } from "../../src/simulator/types.ts";
import { Conductor, noteTruth, type World } from "./conductor.ts";
import { HistoryWriter, type RunEnd } from "./history.ts";
import type { Plan } from "./plan.ts";
import { ownScripts } from "./tap/effects.ts";
import { makeTap, type Tap, type TapOptions } from "./tap/tap.ts";
import { ClusterTroubles } from "./world/clusterTroubles.ts";
import { readFinal } from "./world/final.ts";
import { Fleet } from "./world/fleet.ts";
import { logEvents, searchFiles } from "./world/logs.ts";
import { People } from "./world/people.ts";
import { startChaosSimulator } from "./world/simulator.ts";
import { type Trouble, Troubles } from "./world/troubles.ts";

export const PREFIX = "chaos";
/** How long a healed fleet may take to end what is open; throttles and leases are waited out in it. */
const HEAL_MS = 400_000;
const LAST_RUN_MS = 400_000;
/** Every provider's increments come by themselves too. */
const SCHEDULE_MS = 7_000;

export interface HuntOptions {
  say(line: string): void;
}

export interface Hunt {
  history: string;
  dir: string;
}

const settingsOf = (plan: Plan, urls: SimulatorUrls, apiKey: string): EngineSettings => ({
  prefix: PREFIX,
  providers: Object.fromEntries(
    upstreamNames.map((name) => [
      name,
      {
        url: urls[name],
        rate: plan.rates[name],
        schedule: { incremental: { every: SCHEDULE_MS }, full: "off" as const },
        ...(name === "cve" ? { apiKey, pageSize: 500, feedsUrl: urls.feeds } : {}),
      },
    ]),
  ),
  concurrency: 2,
  inflightBytes: 24 * 1024 * 1024,
  waitScale: plan.waitScale,
  changesLimit: 1_000_000,
  timeouts: { connectMs: 2_000, headersMs: 1_500, idleMs: 1_000, totalMs: 15_000 },
  permits: plan.permits,
});

export async function hunt(plan: Plan, options: HuntOptions): Promise<Hunt> {
  const dir = mkdtempSync(join(tmpdir(), `uee-chaos-${plan.seed}-`));
  const logs = join(dir, "logs");
  mkdirSync(logs);
  const history = new HistoryWriter(join(dir, "history.jsonl"));
  const password = `CHAOS-PASSWORD-${plan.seed}-c0ffee`;
  const apiKey = `CHAOS-KEY-${plan.seed}-5eed5eed`;
  const secrets = [password, apiKey];
  history.now({ k: "begin", plan, secrets, commit: null });
  const met: string[] = [];
  const taps: Tap[] = [];
  const tapOptions: TapOptions = {
    prefix: PREFIX,
    scripts: ownScripts(new URL("../../src/", import.meta.url)),
    onEffect: (at, e) => {
      const t = troubles?.machineTime(at) ?? at;
      history.add({ t, k: "fx", e, ...(t === at ? {} : { r: at }) });
    },
    onLost: () => history.now({ k: "blind", why: "the monitor lost its connection" }),
    secrets,
    onSecret: (command) =>
      met.push(`a command to Redis: ${command.replaceAll(/CHAOS-\S+/g, "<the secret>")}`),
  };
  const newTap = (): Tap => {
    taps.push(makeTap(tapOptions));
    return taps.at(-1)!;
  };
  const logFd = (name: string): number => openSync(join(logs, `${name}.log`), "a");
  let undo: (() => Promise<unknown> | unknown)[] = [];
  let conductor: Conductor | undefined;
  let troubles: Trouble | undefined;
  try {
    const simulator = await startChaosSimulator(plan, logFd("simulator"));
    undo.push(() => simulator.stop());
    const random = () => conductor!.random();
    const own =
      plan.mode === "cluster"
        ? await ClusterTroubles.start({ prefix: PREFIX, password, history, newTap, random })
        : await Troubles.start({
            ...{ prefix: PREFIX, password, mode: plan.mode, history, tap: newTap(), lines: plan.workers + 1 },
            random,
          });
    troubles = own;
    undo.push(() => own.stop());
    const settings = settingsOf(plan, simulator.urls, apiKey);
    const fleet = new Fleet({
      ...{ count: plan.workers, history, settings, urlOf: (slot) => own.urlOf(slot) },
      logFile: (slot) => join(logs, `worker-${slot}.log`),
    });
    undo.push(() => fleet.abandon());
    const people = await People.open(own.urlOf(plan.workers), settings, history);
    undo.push(() => people.close());
    const world: World = { history, fleet, people, simulator, troubles: own };
    for (const name of upstreamNames) await noteTruth(world, name);

    conductor = new Conductor(world, plan);
    options.say(`playing ${plan.actions.length} actions in ${plan.minutes} min`);
    await conductor.play();
    options.say("healing");
    await healAndFinish(world, plan, options);

    await fleet.stop();
    await auditPool(world);
    const counts = await simulator.counts();
    history.now({ k: "injected", counts: counts.injected, violations: { ...counts.violations } });
    for (const file of readdirSync(logs).filter((name) => name.startsWith("worker"))) {
      for (const event of logEvents(join(logs, file))) history.add(event);
    }
    await people.close();
    await own.save();
    const { searched, found } = searchFiles({ logs, ...own.dataDirs() }, secrets);
    history.now({
      k: "secrets",
      searched: { ...searched, commands: taps.reduce((sum, { bytes }) => sum + bytes, 0) },
      found: [...found, ...met],
    });
    history.now({ k: "end" });
  } finally {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined);
    undo = [];
    await history.close();
  }
  return { history: history.path, dir };
}

async function healAndFinish(world: World, plan: Plan, { say }: HuntOptions): Promise<void> {
  const { history, fleet, simulator, troubles } = world;
  await simulator.setFaults([]);
  history.now({ k: "faults", faults: [] });
  for (let line = 0; line <= plan.workers; line++) troubles.lines?.set(line, { kind: "well" });
  if (!(await fleet.heal(60_000))) {
    history.now({
      k: "run-end",
      when: "full",
      r: null,
      why: "healed, and still not every worker takes batches",
    });
    return;
  }
  const stuck = await untilQuiet(world);
  if (stuck !== undefined) {
    history.now({ k: "run-end", when: "full", r: null, why: stuck });
    return;
  }
  await requestLog(world);
  history.now({ k: "healed" });
  say("the last increment");
  // Where an edition was taken back that a complete run had stored, only a newer one ends complete again.
  const takenBack = plan.actions.flatMap((action) => (action.do === "take-back" ? [action.provider] : []));
  for (const provider of new Set<Upstream>(["cve", ...takenBack])) {
    history.now({ k: "changing", p: provider });
    const report = await simulator.change({ provider, add: 2, modify: 5 });
    history.now({ k: "content", p: provider, report: { ...report }, ok: true });
    await noteTruth(world, provider);
  }
  await lastRuns(world, "increment");
  say("the last full run");
  await lastRuns(world, "full");
}

/** Resumes what is paused, and waits until no run is open. What is in the way, in words, or undefined. */
async function untilQuiet({ people }: World): Promise<string | undefined> {
  const deadline = Date.now() + HEAL_MS;
  let why = "";
  while (Date.now() < deadline) {
    try {
      const { providers } = await people.engine.status();
      for (const { provider, machine } of providers) {
        if (machine.state !== "PAUSED") continue;
        await people.act("resume", provider, (engine) =>
          engine.resume(provider, { actor: "chaos", reason: "all is well again" }),
        );
      }
      const open = providers.filter(({ openRun }) => openRun !== null);
      const busy = providers.filter(({ jobs }) => jobs.waiting + jobs.active + jobs.delayed > 0);
      if (
        open.length === 0 &&
        busy.length === 0 &&
        providers.every(({ machine }) => machine.state !== "PAUSED")
      ) {
        return undefined;
      }
      why = JSON.stringify(
        providers.map(({ provider, machine, jobs, openRun }) => ({ provider, machine, jobs, openRun })),
      );
    } catch (error) {
      why = String(error);
    }
    await sleep(200);
  }
  return `healed for ${HEAL_MS / 1000} s, and runs are still open or jobs unfinished: ${why}`;
}

async function lastRuns(world: World, when: "increment" | "full"): Promise<void> {
  const { people, history } = world;
  const mode = when === "full" ? "full" : "incremental";
  await Promise.all(
    upstreamNames.map(async (provider) => {
      let progress: RunProgress | undefined;
      try {
        const signal = AbortSignal.timeout(LAST_RUN_MS);
        const request = { provider, mode, allowShrink: true, actor: "chaos" } as const;
        let opened: OpenedRun;
        do {
          // A run that was open already may have asked the upstream before its last change: only the next one counts.
          opened = await people.engine.openRunWhenPossible(request, { signal });
          progress = await people.engine.waitForRun(provider, opened.runId, { pollMs: 50, signal });
        } while (opened.joined);
        history.now({ k: "run-end", when, r: runEnd(progress), why: "" });
      } catch (error) {
        const at = await people.engine
          .status()
          .then(
            ({ providers }) => JSON.stringify(providers.find((one) => one.provider === provider)),
            String,
          );
        history.now({ k: "run-end", when, r: null, why: `${provider}: ${error}; it is at ${at}` });
      }
    }),
  );
  await untilIdle(world);
  await requestLog(world);
  const { troubles } = world;
  for (const provider of upstreamNames) {
    const f = await readFinal(
      {
        redis: troubles.adminOf(makeKeys(PREFIX).provider(provider).tag),
        prefix: PREFIX,
        engine: people.engine,
        simulator: world.simulator,
      },
      provider,
    );
    history.now({ k: "final", p: provider, f, when });
  }
}

/** A run is closed by a job that itself ends a moment later; and a schedule may have opened the next one. */
async function untilIdle({ people }: World): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const { providers } = await people.engine.status();
    const idle = providers.every(
      ({ openRun, jobs }) => openRun === null && jobs.waiting + jobs.active + jobs.delayed === 0,
    );
    if (idle) return;
    await sleep(50);
  }
}

const runEnd = (run: RunProgress): RunEnd => ({
  ...{ provider: run.provider, runId: run.runId, mode: run.mode, state: run.state, fetched: run.fetched },
  ...{ created: run.created, updated: run.updated, unchanged: run.unchanged, removed: run.removed },
  ...{ deadLettered: run.deadLettered, error: run.error && `${run.error.code}: ${run.error.message}` },
});

const logged = new WeakMap<World, number>();

/** Adds the requests since the last call to the history. */
async function requestLog(world: World): Promise<void> {
  const since = logged.get(world) ?? 0;
  const entries = await world.simulator.log(since);
  for (const entry of entries) {
    const { n, upstream, monotonicMs, status, fault, retryAfter, answeredMs, elsewhere, apiKey } = entry;
    world.history.add({
      t: Date.parse(entry.at),
      k: "request",
      r: { n, upstream, monotonicMs, status, fault, retryAfter, answeredMs, elsewhere, apiKey },
    });
  }
  logged.set(world, entries.at(-1)?.n ?? since);
}

/** When the whole fleet has left, what it held is back within a lease. */
async function auditPool({ people, history }: World): Promise<void> {
  const deadline = Date.now() + 15_000;
  let view = await people.engine.permits.show();
  while (view.allocated > 0 && Date.now() < deadline) {
    await sleep(250);
    view = await people.engine.permits.show();
  }
  const audit = await people.engine.permits.audit();
  history.now({
    k: "audit",
    findings: audit.findings.map((finding) => JSON.stringify(finding)),
    used: view.allocated,
    size: view.effective,
  });
}
