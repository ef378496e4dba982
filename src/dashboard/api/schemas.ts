/**
 * What the HTTP side answers and accepts, as zod schemas with their types. Routes, the OpenAPI document and the page
 * build on these alone. Where a contract of the engine stands behind an answer, `satisfies` holds the schema to it.
 */
export * from "./schema/actions.ts";
export * from "./schema/breakers.ts";
export * from "./schema/common.ts";
export * from "./schema/deadLetters.ts";
export * from "./schema/events.ts";
export * from "./schema/fleet.ts";
export * from "./schema/overview.ts";
export * from "./schema/records.ts";
export * from "./schema/session.ts";
export * from "./schema/tree.ts";
export * from "./schema/workers.ts";
