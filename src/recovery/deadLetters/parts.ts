/** What dead letters and replays of one provider work with. The engine's context of a provider is one. */

import type { Redis } from "ioredis";
import type { Actor } from "../../core/actor.ts";
import type { UeeError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { SourceText } from "../../core/sourceText.ts";
import type { AnyProvider, TransformedRecord } from "../../providers/contract.ts";
import type { ProviderQueue } from "../../queues/providerQueue.ts";
import type { ProviderRecords } from "../../records/contract.ts";
import type { Batches } from "../../runs/batches.ts";
import type { Runs } from "../../runs/runs.ts";
import type { StagedSlices } from "../../runs/stagedSlices.ts";
import type { BadRecords } from "./badRecords.ts";
import type { DeadLetterStore } from "./deadLetterStore.ts";

export interface DeadLetterParts {
  redis: Redis;
  provider: AnyProvider;
  /** Provider version and fingerprint of the address: what a change key holds under. */
  source: string;
  runs: Runs;
  batches: Batches;
  records: ProviderRecords;
  queue: ProviderQueue;
  stagedSlices: StagedSlices;
  badRecords: BadRecords;
  deadLetters: DeadLetterStore;
  /** The provider's state machine. */
  governor: {
    isPaused(): Promise<boolean>;
    runOpened(actor: Actor, reason?: string): Promise<void>;
  };
  logger: Logger;
}

/** Reads one record as the ordinary path does. Returns the error of a bad record. */
export type ValidateRecord = (provider: AnyProvider, source: SourceText) => TransformedRecord | UeeError;
