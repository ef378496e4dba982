/** Compares what the store holds with what an upstream holds, as texts that are equal exactly for equal records. */
import { canonicalJson } from "../../src/core/json.ts";
import { factsOfData, factsOfNode, parseTree } from "./xmlFacts.ts";

/** XML upstreams are read a second time, by a reader that shares nothing with the provider's. */
const xmlProviders: ReadonlySet<string> = new Set(["cwe", "capec"]);

const factsText = (facts: string[]): string => JSON.stringify(facts.sort());

/** The text of a record's `data` in the store. */
export const storedText = (provider: string, data: unknown): string =>
  xmlProviders.has(provider) ? factsText(factsOfData(data)) : canonicalJson(data);

/** The text of an entry of the simulator's content. */
export const upstreamText = ({ data, xml }: { data?: unknown; xml?: string }): string =>
  xml === undefined ? canonicalJson(data) : factsText(factsOfNode(parseTree(xml)));
