/**
 * The real HTTP side over a fleet on paper: the test says what the engine tells, and the page gets it the true way, by the
 * routes, the events and the security of production. Tests of what the engine does use a real one.
 */
import type { Redis } from "ioredis";
import { UeeError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { App, DashboardOptions } from "../../../src/dashboard/app.ts";
import { buildDashboard } from "../../../src/dashboard/server.ts";
import { actionsIn, statesFor } from "../../../src/engine/actions.ts";
import type {
  BreakerView,
  Checkpoint,
  Engine,
  EngineStatus,
  HistoryLine,
  HistoryTransition,
  QuotaEvent,
  RunProgress,
} from "../../../src/engine/api.ts";
import type { KernelMetrics, KernelSample } from "../../../src/permits/optimizer/kernelMetrics.ts";
import type { PoolView } from "../../../src/permits/report.ts";
import type { ChangeEntry, StoredRecord } from "../../../src/records/contract.ts";
import type {
  DeadLetter,
  DeadLetterActionOptions,
  DeadLetterSelection,
  DeadLetters,
} from "../../../src/recovery/deadLetters/api.ts";
import type { WorkerView } from "../../../src/recovery/workerView.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { builtPage } from "./builtPage.ts";
import { paperSeries } from "./paperFleet.ts";

export interface Paper {
  status: EngineStatus;
  kernel: KernelMetrics;
  samples: KernelSample[];
  permits: PoolView;
  workers: WorkerView[];
  breakers: BreakerView[];
  transitions: HistoryTransition[];
  quotaEvents: QuotaEvent[];
  runs: RunProgress[];
  letters: DeadLetter[];
  checkpoints: Checkpoint[];
  /** What the history has about breakers and dead letters. */
  others: HistoryLine[];
  records: StoredRecord[];
  /** Newest first. */
  changes: ChangeEntry[];
  /** What every call of the engine rejects with; absent: it answers. */
  away?: UeeError;
  /** What actions answer. */
  refuses?: UeeError;
}

export interface PaperDashboard {
  paper: Paper;
  url: string;
  app: App;
  close(): Promise<void>;
}

export async function servePaper(
  paper: Paper,
  { port = 0, ...options }: Partial<DashboardOptions> & { port?: number } = {},
): Promise<PaperDashboard> {
  const app = await buildDashboard({
    backend: () => ({ engine: paperEngine(paper), redis: { of: () => noRedis }, keys: makeKeys("paper") }),
    logger: silentLogger(),
    version: "0.0.0-paper",
    pageFiles: builtPage,
    ...options,
  });
  const url = await app.listen({ host: "127.0.0.1", port });
  return { paper, url, app, close: () => app.close() };
}

/** Ended logins are looked up there; away is a thing it knows. */
const noRedis = new Proxy({} as Redis, {
  get: () => () => Promise.reject(new UeeError("SYS_REDIS_UNREACHABLE")),
});

/** Filters by provider alone; actions only say what they would do. */
function paperLetters(paper: Paper, say: <Said>(said: () => Said) => Promise<Said>): DeadLetters {
  const fitting = (selection: DeadLetterSelection): DeadLetter[] =>
    paper.letters.filter((letter) =>
      "ids" in selection
        ? selection.ids.includes(letter.id)
        : selection.provider === undefined || letter.provider === selection.provider,
    );
  const report = (selection: DeadLetterSelection, { dryRun = false }: DeadLetterActionOptions = {}) =>
    say(() => {
      if (paper.refuses !== undefined) throw paper.refuses;
      const found = fitting(selection);
      const done = found.filter(({ state }) => state === "dead");
      const skipped: Record<string, number> = { replaying: found.length - done.length };
      return { dryRun, matched: found.length, done: done.length, skipped, sample: done.slice(0, 3) };
    });
  const one = (id: string): DeadLetter => {
    const letter = paper.letters.find((each) => each.id === id);
    if (letter === undefined) throw new UeeError("API_NOT_FOUND", `There is no dead letter ${id}.`);
    return letter;
  };
  const countBy = (
    pick: (letter: DeadLetter) => string,
    letters: readonly DeadLetter[] = paper.letters,
  ): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const letter of letters) counts[pick(letter)] = (counts[pick(letter)] ?? 0) + 1;
    return counts;
  };
  const bytes = Buffer.from(JSON.stringify({ id: "CAPEC-61", Name: 42, Description: "x".repeat(300) }));
  return {
    list: (filter, { limit, cursor }) =>
      say(() => {
        const from = Number(cursor ?? 0);
        const all = fitting(filter);
        const next = from + limit < all.length ? String(from + limit) : null;
        return { letters: all.slice(from, from + limit), cursor: next };
      }),
    show: (id) => say(() => ({ letter: one(id), raw: bytes })),
    raw: (id) => say(() => (one(id).rawBytes > 0 ? bytes : null)),
    count: () => say(() => paper.letters.length),
    stats: ({ provider } = {}) =>
      say(() => ({
        total: paper.letters.length,
        waiting: 0,
        byState: { dead: 0, replaying: 0, accepted: 0, ...countBy(({ state }) => state) },
        byCode: countBy(({ code }) => code, fitting({ provider })),
        byClass: countBy((letter) => letter.class),
        byProvider: countBy(({ provider }) => provider),
        rawBytes: 4_000,
        oldest: null,
        newest: null,
        maxReplays: 3,
        meanReplays: 1,
        caps: paper.status.providers.map(({ deadLetters }) => deadLetters),
      })),
    replay: async (selection, options) => ({
      ...(await report(selection, options)),
      runs: [],
      badRecords: 0,
    }),
    accept: report,
    purge: async (selection, options) => ({
      ...(await report(selection, options)),
      lost: { batches: 3, batchRecords: 6_000, records: 6, rawBytes: 2_472 },
    }),
  };
}

/** The records of the paper; the first is the root of every graph. */
function paperRecords(paper: Paper, say: <Said>(said: () => Said) => Promise<Said>): Engine["records"] {
  const { records, changes } = paper;
  const named = (text: string) => records.filter(({ urn, id }) => urn === text || id === text);
  const nameOf = ({ data }: StoredRecord): string | null => (data.name as string | undefined) ?? null;
  const known: Partial<Engine["records"]> = {
    get: (text) =>
      say(() => {
        const [record] = named(text);
        return record && { record };
      }),
    about: (text) => say(() => named(text)),
    search: (text) =>
      say(() => ({
        complete: true,
        results: records
          .filter(
            (record) => record.id === text || nameOf(record)?.toLowerCase().includes(text.toLowerCase()),
          )
          .map((record) => ({ ...record, alias: null, name: nameOf(record) })),
      })),
    trace: () =>
      say(() => ({
        root: records[0]!.urn,
        nodes: records.map((record) => ({
          ...record,
          name: nameOf(record),
          alias: record.provider === "attack" ? "T1059" : null,
        })),
        edges: records
          .slice(1)
          .map(({ urn }) => ({ from: records[0]!.urn, to: urn, relation: "primary-weakness" })),
        more: {},
      })),
    recentChanges: ({ limit, providers, op, id }) =>
      say(() => ({
        complete: true,
        changes: changes
          .filter(
            (one) =>
              (providers === undefined || providers.includes(one.provider)) && one.id === (id ?? one.id),
          )
          .filter((one) => op === undefined || one.op === op)
          .slice(0, limit),
      })),
  };
  return known as Engine["records"];
}

/** Says what stands on the paper; whatever it was not written for throws by name. */
function paperEngine(paper: Paper): Engine {
  const say = async <Said>(said: () => Said): Promise<Said> => {
    if (paper.away !== undefined) throw paper.away;
    return said();
  };
  const act = (provider: string) =>
    say(() => {
      if (paper.refuses !== undefined) throw paper.refuses;
      return paper.status.providers.find((one) => one.provider === provider)!.machine;
    });
  const known: Partial<Engine> = {
    providers: paper.status.providers.map(({ provider }) => provider),
    actionsIn,
    statesFor,
    status: () => say(() => ({ ...paper.status, workers: paper.workers })),
    kernelMetrics: () => say(() => paper.kernel),
    kernelHistory: () => say(() => paper.samples),
    workers: () => say(() => paper.workers),
    breakers: () => say(() => paper.breakers),
    resetBreaker: (upstream) =>
      say(() => {
        if (paper.refuses !== undefined) throw paper.refuses;
        return { changed: true, view: paper.breakers.find((one) => one.upstream === upstream)! };
      }),
    transitions: ({ limit }) => say(() => paper.transitions.slice(0, limit)),
    quotaEvents: ({ limit }) => say(() => paper.quotaEvents.slice(0, limit)),
    runs: ({ provider, limit }) =>
      say(() =>
        paper.runs.filter((run) => provider === undefined || run.provider === provider).slice(0, limit),
      ),
    runProgress: (_provider, id) =>
      say(() => {
        const found = paper.runs.find(({ runId }) => runId === id);
        if (found === undefined) throw new UeeError("PROV_RUN_NOT_FOUND", `There is no run ${id}.`);
        return found;
      }),
    checkpoints: () => say(() => paper.checkpoints),
    breakerTransitions: () => say(() => []),
    history: () => say(() => paper.others),
    series: ({ name, range }) => say(() => paperSeries(name, range, paper.status.providers)),
    records: paperRecords(paper, say),
    ready: () => say(() => undefined),
    deadLetters: paperLetters(paper, say),
    pause: act,
    resume: act,
    stop: act,
    permits: {
      show: () => say(() => paper.permits),
      resize: () => Promise.reject(paper.refuses ?? new UeeError("SYS_INTERNAL")),
      audits: () => Promise.reject(new UeeError("SYS_INTERNAL")),
      audit: () => Promise.reject(new UeeError("SYS_INTERNAL")),
    },
  };
  return new Proxy(known as Engine, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (value === undefined && name !== "then") throw new Error(`the paper engine has no ${String(name)}`);
      return value;
    },
  });
}
