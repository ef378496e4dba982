/** The record store's face: everything else in this folder is its own business. */
export { makeRedisChangeFeed, type RedisChangeFeedOptions } from "./changeFeed.ts";
export type {
  Attempt,
  ChangeEntry,
  ChangeFeed,
  CommitOptions,
  CommitResult,
  IncomingRecord,
  ProviderRecords,
  StoredRecord,
  Tombstone,
} from "./contract.ts";
export { makeRedisProviderRecords, type RedisRecordsOptions } from "./redisRecords.ts";
