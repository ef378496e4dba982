/** The record store's face: everything else in this folder is its own business. */
export { makeRedisChangeFeed } from "./changeFeed.ts";
export { makeRedisProviderRecords } from "./redisRecords.ts";
