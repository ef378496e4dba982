/** Whole fleets on paper: quiet, busy, new, overloaded, and one in every state at once. */
import type { ProviderStatus } from "../../../src/engine/api.ts";
import type { Paper } from "./paperEngine.ts";
import {
  fellShort,
  iso,
  paperBreaker,
  paperCap,
  paperChanges,
  paperCheckpoints,
  paperDecision,
  paperHistory,
  paperKernel,
  paperLetter,
  paperMachine,
  paperOthers,
  paperPool,
  paperProvider,
  paperRecords,
  paperRun,
  paperRuns,
  paperStatus,
  paperTransition,
  paperWorker,
  pastRun,
} from "./paperFleet.ts";

const names = ["cve", "cwe", "capec", "attack"] as const;
const many = { cve: 361_204, cwe: 1_432, capec: 615, attack: 21_230 } as const;
const resized = { kind: "resize", actor: "anna", p99Ms: null, saturation: null } as const;
const noJobs = { waiting: 0, active: 0, delayed: 0, failed: 0 };

const paper = (providers: ProviderStatus[], now: number, over: Partial<Paper> = {}): Paper => ({
  status: paperStatus(providers, now),
  kernel: paperKernel(),
  samples: paperHistory(now),
  permits: paperPool(now),
  workers: [paperWorker(1, now), paperWorker(2, now)],
  breakers: names.map((name) => paperBreaker(name)),
  transitions: Array.from({ length: 40 }, (_, n) => paperTransition(n, now)),
  quotaEvents: [
    paperDecision(0, now, { ...resized, permits: 10, effective: 3, size: 10, reason: "" }),
    paperDecision(1, now, { ...resized, permits: 3, effective: 10, size: 3, reason: "maintenance" }),
    ...[2, 3, 4, 5].map((n) => paperDecision(n, now)),
  ],
  runs: [paperRun("cve", now), ...names.flatMap((name) => paperRuns(name, now))],
  checkpoints: paperCheckpoints(now),
  others: paperOthers(now),
  records: paperRecords(now),
  changes: paperChanges(now),
  // 35 of CAPEC and 18 of CVE that are not accepted, as `busyPaper` counts them.
  letters: Array.from({ length: 54 }, (_, n) => paperLetter(n + 1, now)),
  ...over,
});

const paused = (name: string, now: number): ProviderStatus =>
  paperProvider(
    name,
    paperMachine("PAUSED", now, {
      actor: "engine",
      reason:
        "Error rate 15.2 % after 230 records is over 10 %: VAL_RECORD_SHAPE ×35 (e.g. CAPEC-66: `Name` is a number).",
    }),
    now,
    { records: 615, deadLetters: paperCap(name, 35), jobs: { ...noJobs, waiting: 3, failed: 35 } },
  );

const waiting = (name: string, now: number): ProviderStatus =>
  paperProvider(
    name,
    paperMachine("WAITING_BACKOFF", now, {
      reason: "The upstream said to wait (429, Retry-After 120 s).",
      until: iso(now + 110_000),
      remainingMs: 110_000,
    }),
    now,
    { records: 21_230, verified: false, verifiedAt: null, watermark: null, nextRun: null },
  );

export function busyPaper(): Paper {
  const now = Date.now();
  const incomplete = pastRun("cwe", now, fellShort);
  return paper(
    [
      paperProvider("cve", paperMachine("RUNNING", now, { actor: "anna", reason: "nightly check" }), now, {
        deadLetters: paperCap("cve", 18),
      }),
      paperProvider("cwe", paperMachine("TERMINATED", now), now, { records: 1_432, lastRun: incomplete }),
      paused("capec", now),
      waiting("attack", now),
    ],
    now,
  );
}

/** Its last run left dead letters behind, and they were replayed. */
const settled = (now: number) => ({
  lastRun: pastRun("cwe", now, fellShort),
  lastRunSettled: true,
  lastReplay: pastRun("cwe", now, {
    kind: "replay",
    ...{ created: 2, updated: 0, unchanged: 0, requests: 0, durationMs: 410 },
    endedAt: iso(now - 600_000),
  }),
});

export function quietPaper(): Paper {
  const now = Date.now();
  const providers = names.map((name, i) =>
    paperProvider(name, paperMachine("TERMINATED", now, { since: iso(now - (i + 1) * 3_000_000) }), now, {
      records: many[name],
      jobs: noJobs,
      ...(name === "cwe" ? settled(now) : {}),
    }),
  );
  const idle = paperPool(now, { allocated: 0, available: 10, providers: [], holders: [] });
  const kernel = paperKernel({ buffer_saturation: 0, allocated_permits: 0, available_permits: 10 });
  const runs = names.flatMap((name) => paperRuns(name, now));
  return paper(providers, now, { letters: [], permits: idle, kernel, runs });
}

export function freshPaper(): Paper {
  const now = Date.now();
  const never = { verified: false, verifiedAt: null, watermark: null, lastRun: null, lastCheckpoint: null };
  const providers = names.map((name) =>
    paperProvider(name, paperMachine("IDLE", now, { since: null }), now, {
      ...never,
      records: 0,
      nextRun: null,
      jobs: noJobs,
    }),
  );
  return {
    ...paper(providers, now, {
      samples: [],
      others: [],
      workers: [],
      transitions: [],
      quotaEvents: [],
      runs: [],
      letters: [],
    }),
    status: paperStatus(providers, now, {
      workers: [],
      macro: paperMachine("BOOTSTRAPPING", now, { since: null }),
    }),
    permits: paperPool(now, { configured: null, allocated: 0, available: 10, providers: [], holders: [] }),
    kernel: paperKernel({ p99_latency_ms: 0, buffer_saturation: 0, active_workers: 0, message_rate: 0 }),
  };
}

export function overloadedPaper(): Paper {
  const now = Date.now();
  const cve = paperProvider("cve", paperMachine("RUNNING", now), now, {
    deadLetters: paperCap("cve", 10_000),
  });
  const made = paper([cve, paused("capec", now)], now, {
    kernel: paperKernel({
      ...{ p99_latency_ms: 47.3, buffer_saturation: 0.93, error_rate: 1.2 },
      ...{ active_workers: 1, available_permits: 0 },
    }),
    permits: paperPool(now, {
      effective: 4,
      revoked: 6,
      askedBack: 2,
      available: 0,
      waiting: 3,
      holdUntil: now + 9_000,
      providers: [
        {
          ...{ provider: "cve", held: 6, askedBack: 2, waiting: 3, waitingMs: 14_000 },
          permitTimeMs: 9_000,
        },
      ],
    }),
    workers: [
      paperWorker(1, now),
      paperWorker(2, now, { health: "late", missedBeats: 1, lastBeatAt: iso(now - 17_000) }),
      paperWorker(3, now, {
        health: "dead",
        missedBeats: 4,
        lastBeatAt: iso(now - 45_000),
        ended: "was ended by SIGKILL",
      }),
    ],
    breakers: [
      paperBreaker("cve", {
        ...{ state: "open", consecutiveFailures: 5, opens: 3 },
        ...{ openedAt: iso(now - 12_000), until: iso(now + 18_000), remainingMs: 18_000 },
        lastFailure: {
          ...{
            code: "PROV_OVERLOADED",
            message: "services.nvd.nist.gov answered 503.",
            at: iso(now - 12_000),
          },
        },
      }),
      paperBreaker("cwe", {
        ...{ state: "half_open", consecutiveFailures: 5, failedProbes: 1, opens: 2 },
        ...{ openedAt: iso(now - 95_000), probe: { by: "pod-7:4711", since: iso(now - 2_000) } },
        lastFailure: { code: "PROV_TIMEOUT", message: "no answer in 130 s", at: iso(now - 65_000) },
      }),
      paperBreaker("capec", { consecutiveFailures: 2, opens: 1 }),
      paperBreaker("attack"),
    ],
  });
  return {
    ...made,
    status: {
      ...made.status,
      redis: { ...made.status.redis, usedMemory: 1_040_000_000, trouble: "OOM command not allowed" },
    },
  };
}

export function everyStatePaper(): Paper {
  const now = Date.now();
  const quota = paperMachine("WAITING_QUOTA", now, { reason: "The pool has no permit left for quota." });
  return paper(
    [
      paperProvider("idle", paperMachine("IDLE", now, { since: null }), now, { lastRun: null, jobs: noJobs }),
      paperProvider("acquiring", paperMachine("ACQUIRING", now), now),
      paperProvider("running", paperMachine("RUNNING", now), now),
      paperProvider("quota", quota, now),
      waiting("backoff", now),
      paused("paused", now),
      // Its run waited for a breaker when a person paused it without a reason.
      paperProvider("silent", paperMachine("PAUSED", now, { actor: "anna" }), now, {
        openRun: paperRun("silent", now, {
          waiting: { reason: "The breaker is open.", until: iso(now + 60_000) },
        }),
      }),
      paperProvider("terminated", paperMachine("TERMINATED", now), now),
    ],
    now,
  );
}
