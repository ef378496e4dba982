/**
 * The requests and answers of the HTTP API as zod schemas with their types. Routes, the OpenAPI document and the page
 * use only these. When the engine has a contract for an answer, `satisfies` compares the schema with it.
 */
export * from "./schema/common.ts";
export * from "./schema/deadLetters.ts";
export * from "./schema/fleet.ts";
export * from "./schema/records.ts";
