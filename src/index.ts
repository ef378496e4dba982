/** The public surface of UEE as a library. What is not exported here may change without notice. */
export { type ClientOptions, type ClientSettings, connect, type Uee } from "./client/connect.ts";
export type { ChangesOptions } from "./client/following.ts";
export type { RunHandle, RunOptions, RunsHandle, WaitOptions } from "./client/runs.ts";
export { bounds } from "./core/bounds.ts";
export { type Edition, type EditionName, editionOf } from "./core/edition.ts";
export type { ErrorClass, ErrorCode } from "./core/errors.ts";
export { isUeeError, UeeError } from "./core/errors.ts";
export type { Fetched, FetchedStream, Fetcher, FetchRequest } from "./core/fetching.ts";
export type { JsonObject } from "./core/json.ts";
export { parseJsonBytes } from "./core/json.ts";
export type { Logger } from "./core/logger.ts";
export { makeLogger, silentLogger } from "./core/logger.ts";
export { SourceText } from "./core/sourceText.ts";
export type * from "./engine/api.ts";
export type { EngineSettings, OpenEngineOptions, ProviderSettings } from "./engine.ts";
export { openEngine } from "./engine.ts";
export type * from "./providers/contract.ts";
export { defineProvider } from "./providers/contract.ts";
export { collect, readGzip, readTar, readZip } from "./providers/formats/archives.ts";
export { readCatalogue } from "./providers/formats/catalogue.ts";
export { JsonArraySplitter, readJsonArrays } from "./providers/formats/jsonArrays.ts";
export { checkRecord, derivedIds, recordShape } from "./providers/formats/records.ts";
export { recognise } from "./providers/formats/sniff.ts";
export { decodeUtf8, readCsv, readJsonLines, splitFirstLine } from "./providers/formats/text.ts";
export { catalogueSchema } from "./providers/formats/xmlElement.ts";
export { providers } from "./providers/registry.ts";
export type {
  SnapshotFile,
  SnapshotIndex,
  SnapshotReading,
  SnapshotSource,
} from "./providers/snapshot/provider.ts";
export { snapshotProvider } from "./providers/snapshot/provider.ts";
export type { ChangeEntry, StoredRecord, Tombstone } from "./records/contract.ts";
export type { ConnectOptions, RedisConnections } from "./redis/connect.ts";
export { connectRedis } from "./redis/connect.ts";
export type { StepName, StepObserver } from "./workers/context.ts";
