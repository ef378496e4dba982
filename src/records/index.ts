/** The record store's face: everything else in this folder is its own business. */
export { makeChangeFeed } from "./changeFeed.ts";
export { makeProviderRecords } from "./providerRecords.ts";
