/** A fleet on paper, in every state that people meet; the engine's own types, so that it cannot tell what no engine would. */
import type { JsonObject } from "../../../src/core/json.ts";
import type {
  BreakerView,
  Checkpoint,
  EngineStatus,
  HistoryLine,
  HistoryTransition,
  MachineStatus,
  ProviderStatus,
  QuotaEvent,
  RunProgress,
  Series,
  SeriesName,
  SeriesRange,
} from "../../../src/engine/api.ts";
import type { KernelMetrics, KernelSample } from "../../../src/permits/optimizer/kernelMetrics.ts";
import type { PoolView } from "../../../src/permits/report.ts";
import type { ChangeEntry, StoredRecord } from "../../../src/records/contract.ts";
import type { DeadLetter, DeadLetterCap } from "../../../src/recovery/deadLetters/api.ts";
import type { WorkerView } from "../../../src/recovery/workerView.ts";

export const iso = (ms: number): string => new Date(ms).toISOString();

export const paperRun = (provider: string, now: number, over: Partial<RunProgress> = {}): RunProgress => ({
  provider,
  runId: `${provider}-20251123T200411-7f3a`,
  mode: "full",
  kind: "ordinary",
  state: "running",
  phase: "loading",
  pass: 1,
  expected: 12_000,
  fetched: 8_120,
  created: 412,
  updated: 97,
  unchanged: 7_611,
  removed: 0,
  deadLettered: 3,
  accepted: 0,
  requests: 9,
  batches: 6,
  batchesDone: 4,
  batchesPlanned: 6,
  startedAt: iso(now - 73_000),
  endedAt: null,
  durationMs: 73_000,
  actor: "anna",
  reason: "nightly check",
  checkpoint: "v2e::nvd::cve::CVE-2021-44228",
  note: null,
  reconciled: null,
  watermark: null,
  waiting: null,
  retrying: [],
  error: null,
  ...over,
});

/** A run that is over. */
export const pastRun = (provider: string, now: number, over: Partial<RunProgress> = {}): RunProgress =>
  paperRun(provider, now, {
    state: "complete",
    phase: "closed",
    startedAt: iso(now - 7_300_000),
    endedAt: iso(now - 7_200_000),
    durationMs: 100_000,
    deadLettered: 0,
    ...over,
  });

export const paperMachine = (
  state: string,
  now: number,
  over: Partial<MachineStatus> = {},
): MachineStatus => ({
  state,
  since: iso(now - 12 * 60_000),
  reason: null,
  actor: null,
  until: null,
  remainingMs: 0,
  version: 7,
  ...over,
});

export const paperCap = (provider: string, entries = 0): DeadLetterCap => ({
  provider,
  entries,
  maxEntries: 10_000,
  rawBytes: entries * 4_000,
  maxRawBytes: 268_435_456,
  share: entries / 10_000,
  level: entries >= 10_000 ? "full" : entries >= 9_000 ? "near" : "ok",
});

export const paperLetter = (n: number, now: number, over: Partial<DeadLetter> = {}): DeadLetter => {
  const isRecord = n % 3 !== 0;
  return {
    id: `capec-letter-${n}`,
    provider: isRecord ? "capec" : "cve",
    kind: isRecord ? "record" : "batch",
    class: isRecord ? "bad-record" : "exhausted",
    state: n === 2 ? "replaying" : n === 4 ? "accepted" : "dead",
    code: isRecord ? "VAL_RECORD_SHAPE" : "PROV_UPSTREAM_ERROR",
    message: isRecord
      ? "`Name` is a number; it must be a text."
      : "HTTP 503 Service Unavailable, 8 times; the last answer was an HTML page without Retry-After.",
    subject: isRecord ? `CAPEC-${60 + n}` : `page:${n * 2_000}`,
    runId: "capec-20251123T200411-7f3a",
    batch: "slice:0003",
    size: isRecord ? 1 : 2_000,
    attempts: isRecord ? 1 : 8,
    replays: n % 4,
    firstFailedAt: iso(now - n * 900_000 - 8_000_000),
    lastFailedAt: iso(now - n * 700_000),
    rawBytes: isRecord ? 344 : 0,
    jobId: `b-4f8e21c09d77${n}`,
    replayRunId: null,
    lastAction:
      n % 4 === 0
        ? null
        : { what: "replay", actor: "anna", at: iso(now - 800_000), reason: "the upstream is mended" },
    ...over,
  };
};

export function paperProvider(
  provider: string,
  machine: MachineStatus,
  now: number,
  over: Partial<ProviderStatus> = {},
): ProviderStatus {
  const open = !["IDLE", "TERMINATED"].includes(machine.state);
  return {
    provider,
    machine,
    verified: true,
    verifiedAt: iso(now - 7_200_000),
    edition: null,
    watermark: iso(now - 7_900_000).slice(0, -1),
    records: 361_204,
    openRun: open ? paperRun(provider, now) : null,
    lastRun: open ? null : pastRun(provider, now),
    lastRunSettled: false,
    lastReplay: null,
    lastCheckpoint: "v2e::nvd::cve::CVE-2021-44228",
    deadLetters: paperCap(provider),
    reconciled: null,
    reconcileFailed: null,
    nextRun: { at: iso(now + 4_300_000), mode: "incremental" },
    staleAfterMs: 18_000_000,
    jobs: { waiting: 1, active: 2, delayed: 0, failed: 0 },
    ...over,
  };
}

export function paperStatus(
  providers: ProviderStatus[],
  now: number,
  over: Partial<EngineStatus> = {},
): EngineStatus {
  const held = providers.some(({ machine }) => /WAITING|PAUSED/.test(machine.state));
  return {
    at: iso(now),
    macro: paperMachine(held ? "STABILIZING" : "ORCHESTRATING", now, { since: iso(now - 26 * 60_000) }),
    stranded: false,
    runsPaused: false,
    workers: [paperWorker(1, now), paperWorker(2, now)],
    redis: {
      version: "7.0.15",
      usedMemory: 412_000_000,
      maxMemory: 1_073_741_824,
      persistence: "aof",
      trouble: null,
    },
    providers,
    ...over,
  };
}

export const paperKernel = (over: Partial<KernelMetrics> = {}): KernelMetrics => ({
  p99_latency_ms: 11.4,
  buffer_saturation: 0.42,
  active_workers: 2,
  total_permits: 10,
  allocated_permits: 6,
  available_permits: 4,
  message_rate: 3.4,
  error_rate: 0,
  ...over,
});

/** With a wave, a spike over the threshold and a gap in which no worker lived. */
export const paperHistory = (now: number, count = 360): KernelSample[] =>
  Array.from({ length: count }, (_, i) => {
    const wave = Math.sin(i / 17) + Math.sin(i / 5) * 0.4;
    return {
      at: iso(now - (count - i) * 5_000),
      ...paperKernel({
        p99_latency_ms: Math.max(2, 11 + 5 * wave + (i % 130 === 90 ? 31 : 0)),
        buffer_saturation: Math.max(0, Math.min(1, 0.45 + 0.2 * wave)),
      }),
    };
  }).filter((_, i) => i < 200 || i > 230);

export const paperPool = (now: number, over: Partial<PoolView> = {}): PoolView => ({
  at: now,
  configured: 10,
  effective: 10,
  revoked: 0,
  allocated: 6,
  available: 4,
  askedBack: 0,
  waiting: 0,
  fence: 1_764_000_000_000_000,
  holdUntil: null,
  providers: ["attack", "capec", "cve", "cwe"].map((provider) => ({
    provider,
    held: provider === "cve" ? 4 : provider === "attack" ? 2 : 0,
    askedBack: 0,
    waiting: 0,
    waitingMs: 0,
    permitTimeMs: 12_000,
  })),
  holders: Array.from({ length: 6 }, (_, i) => ({
    lease: `lease-${i}`,
    provider: i < 4 ? "cve" : "attack",
    askedBack: false,
    fence: 1_764_000_000_000_000 + i,
    since: now - 4_000 - i * 1_300,
    expiresAt: now + 9_000,
    owner: `mirror-${1 + (i % 2)}:4${i}17:9f2c4be1`,
  })),
  truncated: false,
  ...over,
});

export const paperWorker = (n: number, now: number, over: Partial<WorkerView> = {}): WorkerView => ({
  id: `mirror-${n}:${4_000 + n * 17}:9f2c`,
  host: `mirror-${n}`,
  pid: 4_000 + n * 17,
  version: "0.1.0",
  startedAt: iso(now - 3 * 3_600_000),
  state: "ready",
  health: "live",
  missedBeats: 0,
  lastBeatAt: iso(now - 2_000 - n * 700),
  ended: null,
  vitals: {
    responseMs: 1.8,
    loopDelayP99Ms: 12.4,
    loopDelayMaxMs: 31,
    activeBatches: 3,
    rssBytes: 187_000_000,
    lastFetchAgeMs: 1_200,
  },
  ...over,
});

export const paperTransition = (
  n: number,
  now: number,
  over: Partial<HistoryTransition> = {},
): HistoryTransition => ({
  id: `${now - n * 61_000}-0`,
  machine: "provider",
  provider: ["cve", "cwe", "capec", "attack"][n % 4]!,
  oldState: n % 3 === 0 ? "RUNNING" : "ACQUIRING",
  newState: n % 3 === 0 ? "WAITING_BACKOFF" : "RUNNING",
  trigger: n % 3 === 0 ? "back_off" : "permits_granted",
  version: 1_000 - n,
  at: iso(now - n * 61_000),
  actor: "mirror-1",
  actorKind: "engine",
  reason: n % 3 === 0 ? "The upstream said to wait (429, Retry-After 30 s)." : null,
  urn: null,
  processed: 8_120,
  errors: 3,
  permits: 2,
  ...over,
});

export const paperDecision = (n: number, now: number, over: Partial<QuotaEvent> = {}): QuotaEvent => ({
  id: `${now - n * 400_000}-0`,
  at: iso(now - n * 400_000),
  kind: n % 2 === 0 ? "restore" : "revoke",
  permits: n % 2 === 0 ? 1 : 2,
  reason: n % 2 === 0 ? "healthy for 3 checks" : "p99 over 30 ms twice in a row",
  p99Ms: n % 2 === 0 ? 9.2 : 41.7,
  saturation: 0.44,
  size: 10,
  effective: n % 2 === 0 ? 9 : 10,
  allocated: 6,
  actor: "optimizer",
  ...over,
});

export const paperBreaker = (upstream: string, over: Partial<BreakerView> = {}): BreakerView => ({
  ...{ upstream, state: "closed", version: 4, consecutiveFailures: 0, failedProbes: 0, opens: 0 },
  ...{ openedAt: null, until: null, remainingMs: 0, probe: null, lastFailure: null },
  counts: { calls: 412, successes: 405, failures: 7, ignored: 0, rejections: 3, opens: over.opens ?? 0 },
  ...over,
});

/** What a run says that left two dead letters behind. */
export const fellShort: Partial<RunProgress> = {
  state: "incomplete",
  deadLettered: 2,
  error: {
    code: "PROV_BAD_RECORDS",
    message: "2 records could not be read and are set aside.",
    remedy: "Look at them in the dead letters; replay or accept them.",
  },
};

/** A run every two hours for a week; one ended incomplete. */
export const paperRuns = (provider: string, now: number): RunProgress[] =>
  Array.from({ length: 84 }, (_, n) => {
    const startedAt = now - (n + 1) * 7_200_000;
    const incomplete = n === 17;
    return pastRun(provider, now, {
      runId: `${provider}-${iso(startedAt).replace(/[-:.]/g, "").slice(0, 18)}Z-00${10 + n}`,
      mode: n === 83 ? "full" : "incremental",
      startedAt: iso(startedAt),
      endedAt: iso(startedAt + 100_000),
      created: (n * 7) % 31,
      updated: (n * 13) % 97,
      removed: n % 30 === 5 ? 2 : 0,
      ...(incomplete ? fellShort : {}),
    });
  });

/** The open run of CVE committed these, after three bad records. */
export const paperCheckpoints = (now: number): Checkpoint[] => [
  ...["VAL_RECORD_ID", "VAL_RECORD_FIELD", "VAL_RECORD_ID"].map((error, n) => ({
    ...{ urn: `v2e::nvd::cve::bad-${n}`, runId: paperRun("cve", now).runId, batch: `bad/r-${n}` },
    ...{ pass: 1, records: 0, at: iso(now - 12_000 - n * 100), success: false, error },
  })),
  ...[3, 2, 1, 0].map((n) => ({
    urn: `v2e::nvd::cve::CVE-2021-${44_000 + n}`,
    runId: paperRun("cve", now).runId,
    batch: `page:${n * 2_000}`,
    pass: 1,
    records: n === 1 ? 0 : 2_000,
    at: iso(now - (10 - n * 2) * 5_000),
    success: n !== 1,
    error: n === 1 ? "PROV_UPSTREAM_ERROR" : null,
  })),
];

const paperRecord = (
  provider: string,
  authority: string,
  id: string,
  now: number,
  data: JsonObject,
): StoredRecord => ({
  urn: `v2e::${authority}::${provider}::${id}`,
  provider,
  id,
  firstSeen: iso(now - 90 * 86_400_000),
  lastChanged: iso(now - 3 * 3_600_000),
  data,
});

export const paperRecords = (now: number): StoredRecord[] => [
  paperRecord("cve", "nvd", "CVE-2021-44228", now, {
    id: "CVE-2021-44228",
    published: "2021-12-10T10:15:09.143",
    vulnStatus: "Analyzed",
    descriptions: [
      {
        lang: "en",
        value: "Apache Log4j2 JNDI features do not protect against endpoints that an attacker controls.",
      },
    ],
    metrics: {
      cvssMetricV31: [
        { cvssData: { baseScore: 10, baseSeverity: "CRITICAL", vectorString: "CVSS:3.1/AV:N/AC:L" } },
      ],
    },
    references: [{ url: "https://logging.apache.org/log4j/2.x/security.html" }],
    name: "Apache Log4j2 Remote Code Execution Vulnerability",
  }),
  paperRecord("kev", "cisa", "CVE-2021-44228", now, {
    name: "Apache Log4j2 Remote Code Execution Vulnerability",
    ...{ dateAdded: "2021-12-10", dueDate: "2021-12-24", requiredAction: "Apply updates." },
  }),
  paperRecord("epss", "first", "CVE-2021-44228", now, {
    name: "EPSS 0.97",
    epss: "0.97565",
    percentile: "0.99997",
  }),
  paperRecord("cwe", "mitre", "CWE-502", now, { name: "Deserialization of Untrusted Data" }),
  paperRecord("cwe", "mitre", "CWE-917", now, { name: "Expression Language Injection" }),
  paperRecord("capec", "mitre", "CAPEC-586", now, { name: "Object Injection" }),
  paperRecord("attack", "mitre", "attack-pattern--7385dfaf-6886-4229-9ecd-6fd678040830", now, {
    name: "Command and Scripting Interpreter",
  }),
];

export const paperChanges = (now: number): ChangeEntry[] =>
  Array.from({ length: 30 }, (_, n) => {
    const provider = ["cve", "cwe", "capec", "attack"][n % 4]!;
    const id = n === 0 ? "CVE-2021-44228" : `${provider.toUpperCase()}-${1_000 + n}`;
    const op = (["updated", "created", "updated", "removed"] as const)[n % 4]!;
    return {
      ...{ cursor: `cursor-${n}`, provider, id, op, urn: `v2e::nvd::${provider}::${id}` },
      fields: op === "updated" ? ["descriptions", "metrics", "lastModified"] : [],
      at: iso(now - n * 1_700_000),
      runId: paperRuns(provider, now)[0]!.runId,
    };
  });

/** A run every two hours, and a night in which no worker lived. */
export function paperSeries(
  name: SeriesName,
  range: SeriesRange,
  providers: readonly ProviderStatus[],
): Series {
  const stepMs = { "1h": 60_000, "6h": 60_000, "24h": 900_000, "7d": 900_000, "8w": 7_200_000 }[range];
  const length = { "1h": 60, "6h": 360, "24h": 96, "7d": 672, "8w": 672 }[range];
  const lines = name === "redis_memory" ? [null] : providers.map(({ provider }) => provider);
  const value = (i: number, line: number): number | null => {
    if (i > length * 0.4 && i < length * 0.46) return null;
    if (name === "redis_memory") return 380_000_000 + i * 40_000;
    const most = { throughput: 180, requests: 2, errors: 0.2 }[name];
    const loaded = providers[line]?.records !== 0;
    return loaded && i % 8 === line % 8 ? most / (line + 1) : 0;
  };
  return {
    ...{ name, range, stepMs, unit: name === "redis_memory" ? "bytes" : "per_second" },
    from: iso(Math.floor(Date.now() / stepMs) * stepMs - (length - 1) * stepMs),
    lines: lines.map((provider, line) => ({
      provider,
      values: Array.from({ length }, (_, i) => value(i, line)),
    })),
  };
}

export const paperOthers = (now: number): HistoryLine[] => [
  {
    ...{ at: iso(now - 900_000), kind: "dead-letters", provider: "capec", what: "dead letters: accepted 2" },
    ...{ trigger: "code VAL_RECORD_SHAPE", actor: "anna", actorKind: "person", reason: "known upstream" },
  },
  {
    ...{ at: iso(now - 1_800_000), kind: "breaker", provider: "cve", what: "breaker closed → open" },
    ...{ trigger: "trip", actor: "mirror-1", actorKind: "engine", reason: "five failures in a row" },
  },
];
