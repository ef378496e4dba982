/**
 * Every Redis key and queue name of UEE. All keys of one provider share one cluster hash tag, so that a script can
 * check fences, write records, append changes and count in one step.
 */

import { bucketOf } from "./indexBuckets.ts";

/** Raised when the layout of anything below changes; an older process refuses a newer store. */
export const SCHEMA_VERSION = 3;

export interface Keys {
  readonly prefix: string;
  /** HASH: store-wide facts: `schema`. */
  readonly fleet: string;
  /** ZSET of live workers: member worker id, score = expiry in ms by Redis TIME. */
  readonly workers: string;
  /** HASH worker id → JSON facts (host, pid, started, …). */
  readonly workerFacts: string;
  /** HASH worker id → ms by Redis TIME of its last heartbeat. */
  readonly workerBeats: string;
  /** HASH of the macro machine, with what it keeps about the providers. */
  readonly macroMachine: string;
  /** STREAM of the macro machine's transitions. */
  readonly macroTransitions: string;
  /** LIST of the fleet's newest control operations, `<ms by Redis TIME> <duration in ms>`, newest first. */
  readonly controlSamples: string;
  /** HASH worker id → its buffered records. */
  readonly workerLoads: string;
  /** HASH: count of samples ever taken, a ring of message and error counts, and `errors:<provider>`: errors ever. */
  readonly fleetCounts: string;
  /** HASH of the optimizer's memory. */
  readonly optimizer: string;
  /** STREAM of the optimizer's decisions. */
  readonly quotaEvents: string;
  /** STREAM of samples of the kernel metrics, one per check of the optimizer. */
  readonly kernelHistory: string;
  /** Points of what Redis uses: bytes (workers/series.ts). */
  readonly series: SeriesKeys;
  /** STRING: the process that stores the points at present. */
  readonly seriesTurn: string;
  /** STRING: the process that audits the permit pool in this minute. */
  readonly permitAuditTurn: string;
  /** HASH: time and findings of the last audit of the permit pool. */
  readonly permitAudits: string;
  /** HASH: the effective plan of schedules, its author, and per schedule the next and the last slot. */
  readonly schedules: string;
  /** BullMQ prefix and name of the queue of scripts. */
  readonly runsQueue: { prefix: string; name: string };
  /** BullMQ prefix and name of the queue of messages to the webhook. */
  readonly webhookQueue: { prefix: string; name: string };
  /** HASH provider → JSON of what the webhook was told of a provider that is not well (session/webhook.ts). */
  readonly webhook: string;
  /** STRING: the process that looks what there is to tell at present. */
  readonly webhookTurn: string;
  /** ZSET of ended logins: member session id, score = ms at which the login would have expired. */
  readonly endedSessions: string;
  /** The permit pool, one for the whole fleet. */
  readonly permits: PermitKeys;
  upstream(name: string): UpstreamKeys;
  provider(name: string): ProviderKeys;
}

/** LISTs of `<ms by Redis TIME> <figures>`, oldest first, bounded. */
export interface SeriesKeys {
  readonly fine: string;
  readonly coarse: string;
}

/** See permits/lua/pool.lua for every field. */
export interface PermitKeys {
  /** HASH: sizes, counters, state of the restart guard. The scripts derive the other names from its name. */
  readonly pool: string;
  /** HASH lease → its deadline and its facts. */
  readonly leases: string;
  /** ZSET in lexical order of waiters, by provider, then by arrival. */
  readonly waiters: string;
  /** HASH `<provider>|<waiter>` → its member of `waiters`. */
  readonly waiterPlaces: string;
  /** ZSET member of `waiters` → µs at which its place expires. */
  readonly waiterDeadlines: string;
  /** STREAM of all changes of the pool, bounded. */
  readonly log: string;
  /** STREAM of hints to waiters, ids `<n>-0`. */
  readonly wake: string;
}

export interface UpstreamKeys {
  /** ZSET of used slots: member = slot id, with a `+` once sent; score = µs by Redis TIME at which it frees. */
  readonly slots: string;
  /** HASH: blockedUntil, blockedCode, overloads, redisRunId, clock, … (upstream/lua/window.lua). */
  readonly state: string;
  /** ZSET of live processes and their settings' fingerprint. */
  readonly pods: string;
  /** HASH of the circuit breaker: a machine's fields and those that breakers/lua/breaker.lua names. */
  readonly breaker: string;
  /** STREAM of the breaker's transitions, bounded. */
  readonly breakerTransitions: string;
}

export interface ProviderKeys {
  readonly tag: string;
  readonly queue: { prefix: string; name: string };
  /**
   * HASH: clock (µs, redis/lua/clock.lua), watermark, verifiedAt, lastFullAt, lastRunId, live (count), runSeq,
   * changeSeq; changeKey: the upstream state that the store equals, removed by every record write; edition: that of
   * the last complete run; totals of all closed runs: `total:<counter>` and `runs:<mode>:<result>`; links: the state of the
   * index of links (records/links.ts).
   */
  readonly meta: string;
  /** HASH: what the files of a snapshot held, by the names in the change key (runs/fileLists.ts). */
  readonly fileLists: string;
  /** STRING: id of the open run, absent when none. */
  readonly openRun: string;
  /** ZSET of run ids by opening time (µs by the provider's clock). */
  readonly runs: string;
  run(runId: string): RunKeys;
  /** LIST: the content of one record, see records/content.ts. */
  record(id: string): string;
  readonly recordPrefix: string;
  /** HASH id → packed index entry, of the ids of one bucket; all buckets are the set of live records. */
  indexBucket(id: string): string;
  /** A bucket's name is this and the bucket's number. */
  readonly indexPrefix: string;
  /** The records of a store of schema version 1 that were not migrated yet (records/migration). */
  readonly layout1: {
    readonly index: string;
    readonly changed: string;
    record(id: string): string;
  };
  /** HASH id → JSON tombstone. */
  readonly tombstones: string;
  /** STREAM of changes, ids `<seq>-0`, contiguous. */
  readonly changes: string;
  /** HASH of the provider's machine. */
  readonly machine: string;
  /** STREAM of the provider's transitions. */
  readonly transitions: string;
  /** STREAM of transitions that the macro machine has not applied yet. */
  readonly machineOutbox: string;
  /** SET of ids that carry this alias. */
  alias(alias: string): string;
  readonly aliasPrefix: string;
  /** HASH: the records of this provider that name the record `id` of `provider`, see records/links.ts. */
  linksTo(provider: string, id: string): string;
  /** HASH: the records of this provider that are relations starting at its record `id`. */
  linksFrom(id: string): string;
  readonly linksPrefix: string;
  /** STREAM of checkpoints. */
  readonly checkpoints: string;
  /** HASH dead-letter id → JSON facts of bad records that are in the failed set. */
  readonly badRecords: string;
  /** STRING raw bytes of a bad record; never expires. */
  badRecordRaw(deadLetterId: string): string;
  readonly deadLetters: DeadLetterKeys;
  /** STRING: id of the replay run that receives dead letters, waiting or open; absent when none. */
  readonly replayRun: string;
  /** ZSET of replay runs by opening time (µs by the provider's clock). */
  readonly replayRuns: string;
  /** SET of closed runs whose run keys still exist. */
  readonly unclean: string;
  /** HASH process → ms of its death, with a `!` when a batch explains it (see recovery/deadLetters/batchDeaths.ts). */
  readonly processDeaths: string;
  /** Points of what its runs did: records processed, requests, errors, as counted since the store began (workers/series.ts). */
  readonly series: SeriesKeys;
}

/** The index of dead letters, see recovery/deadLetters/lua/deadLetters.lua. The scripts derive the other names from `index`. */
export interface DeadLetterKeys {
  /** ZSET of all dead letters by last failure (ms). */
  readonly index: string;
  /** HASH of one dead letter. */
  one(id: string): string;
  /** ZSETs like `index`, of one code, class or state. */
  code(code: string): string;
  class(name: string): string;
  state(name: string): string;
  /** ZSET by first failure (ms). */
  readonly first: string;
  /** ZSET by number of replays, of those replayed at least once. */
  readonly replays: string;
  /** HASH of counts. */
  readonly counts: string;
  /** HASH job id → dead letter id, of the jobs in the failed set. */
  readonly jobs: string;
  /** STREAM of operators' actions on dead letters. */
  readonly actions: string;
}

export interface RunKeys {
  /** HASH of the run: state (open|closing|closed), mode, pass, counters… (see recovery/runStore.ts). */
  readonly run: string;
  /** HASH batch key → JSON of the planned batch (never changes). */
  readonly batches: string;
  /** HASH batch key → code and generation: p1 planned, c1 committed, d1 dead, x1 cancelled. */
  readonly status: string;
  /** HASH batch key → JSON of the result: facts and counts, or the error. */
  readonly results: string;
  /** HASH `<pass>:<ordinal>` → batch key: the plan's order. */
  readonly order: string;
  /** HASH batch key → fence of its newest attempt. */
  readonly fences: string;
  /** HASH batch key → fence and process of the attempt in progress; remains after the death of the process. */
  readonly work: string;
  /** HASH batch key → JSON of the deaths of processes during the batch. */
  readonly deaths: string;
  /** HASH id → `<code><pass>:<fetch time>@…`; codes: c created, u updated, n unchanged, d dead (see records/lua/seen.lua). */
  readonly seen: string;
  /** HASH id → `<pass>:<digest>` of records refused as older than the stored version. */
  readonly regressed: string;
  /** SET of the marks of this run's records without an id. */
  readonly nameless: string;
  /** STRING staged slice (gzip). */
  staged(name: string): string;
  /** SET of staged slice names. */
  readonly stagedNames: string;
}

/** STRING in the slot of `key`, written with an expiry to test whether Redis accepts writes. */
export const probeOf = (key: string): string => `${key.slice(0, key.indexOf("}") + 1)}:probe`;

const seriesKeys = (tag: string): SeriesKeys => ({
  fine: `${tag}:series:fine`,
  coarse: `${tag}:series:coarse`,
});

export function makeKeys(prefix: string): Keys {
  const fleetTag = `{${prefix}}`;
  return {
    prefix,
    fleet: `${fleetTag}:fleet`,
    workers: `${fleetTag}:workers`,
    workerFacts: `${fleetTag}:worker-facts`,
    workerBeats: `${fleetTag}:worker-beats`,
    macroMachine: `${fleetTag}:macro-machine`,
    macroTransitions: `${fleetTag}:macro-transitions`,
    controlSamples: `${fleetTag}:control-samples`,
    workerLoads: `${fleetTag}:worker-loads`,
    fleetCounts: `${fleetTag}:fleet-counts`,
    optimizer: `${fleetTag}:optimizer`,
    quotaEvents: `${fleetTag}:quota-events`,
    kernelHistory: `${fleetTag}:kernel-history`,
    series: seriesKeys(fleetTag),
    seriesTurn: `${fleetTag}:series-turn`,
    permitAuditTurn: `${fleetTag}:permit-audit-turn`,
    permitAudits: `${fleetTag}:permit-audits`,
    schedules: `${fleetTag}:schedules`,
    runsQueue: { prefix: fleetTag, name: "runs" },
    webhookQueue: { prefix: fleetTag, name: "webhook" },
    webhook: `${fleetTag}:webhook-told`,
    webhookTurn: `${fleetTag}:webhook-turn`,
    endedSessions: `${fleetTag}:ended-sessions`,
    permits: {
      pool: `{${prefix}:permits}:pool`,
      leases: `{${prefix}:permits}:leases`,
      waiters: `{${prefix}:permits}:waiters`,
      waiterPlaces: `{${prefix}:permits}:waiter-places`,
      waiterDeadlines: `{${prefix}:permits}:waiter-deadlines`,
      log: `{${prefix}:permits}:log`,
      wake: `{${prefix}:permits}:wake`,
    },
    upstream: (name) => {
      const tag = `{${prefix}:up:${name}}`;
      return {
        slots: `${tag}:slots`,
        state: `${tag}:state`,
        pods: `${tag}:pods`,
        breaker: `${tag}:breaker`,
        breakerTransitions: `${tag}:breaker-transitions`,
      };
    },
    provider: (name) => {
      const tag = `{${prefix}:${name}}`;
      return {
        tag,
        queue: { prefix: tag, name },
        meta: `${tag}:meta`,
        fileLists: `${tag}:file-lists`,
        openRun: `${tag}:open-run`,
        runs: `${tag}:runs`,
        run: (runId) => {
          const base = `${tag}:run:${runId}`;
          return {
            run: base,
            batches: `${base}:batches`,
            status: `${base}:status`,
            results: `${base}:results`,
            order: `${base}:order`,
            fences: `${base}:fences`,
            work: `${base}:work`,
            deaths: `${base}:deaths`,
            seen: `${base}:seen`,
            regressed: `${base}:regressed`,
            nameless: `${base}:nameless`,
            staged: (slice) => `${base}:staged:${slice}`,
            stagedNames: `${base}:staged-names`,
          };
        },
        record: (id) => `${tag}:c:${id}`,
        recordPrefix: `${tag}:c:`,
        layout1: {
          index: `${tag}:index`,
          changed: `${tag}:changed`,
          record: (id) => `${tag}:r:${id}`,
        },
        indexBucket: (id) => `${tag}:i:${bucketOf(id)}`,
        indexPrefix: `${tag}:i:`,
        tombstones: `${tag}:tombstones`,
        changes: `${tag}:changes`,
        machine: `${tag}:machine`,
        transitions: `${tag}:transitions`,
        machineOutbox: `${tag}:machine-outbox`,
        alias: (alias) => `${tag}:alias:${alias}`,
        aliasPrefix: `${tag}:alias:`,
        linksTo: (provider, id) => `${tag}:l:${provider}:${id}`,
        linksFrom: (id) => `${tag}:l::${id}`,
        linksPrefix: `${tag}:l:`,
        checkpoints: `${tag}:checkpoints`,
        badRecords: `${tag}:bad-records`,
        badRecordRaw: (id) => `${tag}:bad-record:${id}`,
        deadLetters: {
          index: `${tag}:letters`,
          one: (id) => `${tag}:letters:one:${id}`,
          code: (code) => `${tag}:letters:code:${code}`,
          class: (name) => `${tag}:letters:class:${name}`,
          state: (name) => `${tag}:letters:state:${name}`,
          first: `${tag}:letters:first`,
          replays: `${tag}:letters:replays`,
          counts: `${tag}:letters:counts`,
          jobs: `${tag}:letters:jobs`,
          actions: `${tag}:letters:actions`,
        },
        replayRun: `${tag}:replay-run`,
        replayRuns: `${tag}:replay-runs`,
        unclean: `${tag}:unclean-runs`,
        processDeaths: `${tag}:process-deaths`,
        series: seriesKeys(tag),
      };
    },
  };
}
