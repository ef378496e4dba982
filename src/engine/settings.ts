/** What an engine is opened with. */
import type { Logger } from "../core/logger.ts";
import type { ScheduleSetting } from "../core/schedule.ts";
import type { AnyProvider, RunMode } from "../providers/contract.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { UpstreamTimeouts } from "../upstream/client.ts";
import type { StepObserver } from "../workers/context.ts";

export interface ProviderSettings {
  /** Overrides the provider's default address. */
  url?: string;
  /** Base of the upstream's feeds, or `off`. Default: the provider's own, unless `url` names another upstream. */
  feedsUrl?: string;
  apiKey?: string;
  /** Overrides the provider's default rate. */
  rate?: { max: number; windowMs: number } | "unlimited";
  /** Greatest number of records to ask for at once; the provider's own by default. */
  pageSize?: number;
  /** When its runs open by themselves; the provider's own by default. */
  schedule?: Partial<Record<RunMode, ScheduleSetting | undefined>>;
}

export interface EngineSettings {
  prefix: string;
  providers: Record<string, ProviderSettings>;
  /** Batches of one provider in one process at once, the prefetched one included. */
  concurrency: number;
  /** Bytes fetched and not yet committed, in one process. */
  inflightBytes: number;
  /** Multiplies throttle waits, retry and back-off delays. */
  waitScale: number;
  /** Change entries kept per provider. */
  changesLimit: number;
  timeouts: Partial<UpstreamTimeouts>;
  /** Size of a permit pool that has none stored; a person's resize persists. Default 10. */
  permits?: number;
  /** Share of the records that may fail for good before a provider is paused. Default 0.1. */
  errorRate?: number;
  /** Records processed before that share counts. Default 200. */
  errorMinimum?: number;
  /** Dead letters, and raw bytes of bad records, at which a provider is paused. Default 10,000 and 256 MB. */
  deadLetterLimit?: number;
  deadLetterBytes?: number;
  /** Records that one worker may hold fetched and not yet committed, for the optimizer. Default 10,000. */
  bufferRecords?: number;
  /** False: workers that keep the schedules keep none. Default true. */
  schedules?: boolean;
}

export interface OpenEngineOptions {
  settings: EngineSettings;
  redis: RedisConnections;
  logger: Logger;
  /** Default: the registry. */
  providers?: readonly AnyProvider[];
  onStep?: StepObserver;
}
