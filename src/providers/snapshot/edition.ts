/** What a snapshot source says about its edition, and how a run asks whether the edition changed. */
import type { JsonObject } from "../../core/json.ts";
import type { ExtractContext } from "../contract.ts";

/** Names of editions are stored and shown. A longer one is a mistake of the source and is cut. */
const MAX_NAME = 100;

/** The members that are non-empty texts; all others are left out. */
export function editionOf<Name extends string>(names: Record<Name, unknown>): Partial<Record<Name, string>> {
  const known: Partial<Record<Name, string>> = {};
  for (const [name, value] of Object.entries(names) as [Name, unknown][]) {
    if (typeof value === "string" && value !== "") known[name] = value.slice(0, MAX_NAME);
  }
  return known;
}

/** What a change key keeps of an answer, so that the next request can be conditional. */
export const validators = ({ etag }: Record<string, string>): JsonObject => (etag ? { etag } : {});

/**
 * Headers that make a request conditional; none in a full run. Only an ETag names the exact bytes: servers answer
 * `If-Modified-Since` with 304 for every older file, so a file that was rolled back would seem unchanged.
 */
export function conditionalHeaders(
  context: Pick<ExtractContext, "mode" | "changeKey">,
): Record<string, string> {
  const { etag } = (context.mode === "incremental" && context.changeKey) || {};
  return typeof etag === "string" ? { "if-none-match": etag } : {};
}
