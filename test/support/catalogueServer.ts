/** A small CWE catalogue of a test's own, with validators as web servers send them: which edition it serves is the test's. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { startHttp } from "./httpServer.ts";

export interface CatalogueEdition {
  version?: string;
  date?: string;
  /** `Last-Modified`; none is sent without it. */
  lastModified?: string;
  /** Number of each entry → its text. */
  entries: Readonly<Record<number, string>>;
  /** Numbers of entries that are bad records. */
  bad?: readonly number[];
}

export interface CatalogueServer {
  url: string;
  served: CatalogueEdition;
  /** Whether an ETag is sent and understood. */
  etags: boolean;
  requests: IncomingMessage[];
  /** May answer instead of the catalogue: true when it did. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
  close(): Promise<void>;
}

export async function startCatalogue(served: CatalogueEdition): Promise<CatalogueServer> {
  const { origin, close } = await startHttp(async (request, response) => {
    catalogue.requests.push(request);
    if (!(await catalogue.intercept(request, response))) answer(catalogue, request, response);
  });
  const catalogue: CatalogueServer = {
    url: `${origin}/cwe.json`,
    served,
    etags: true,
    requests: [],
    intercept: () => false,
    close,
  };
  return catalogue;
}

function answer(
  { served, etags }: CatalogueServer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { version, date, lastModified, entries, bad = [] } = served;
  const body = JSON.stringify({
    ...(version === undefined ? {} : { ContentVersion: version }),
    ...(date === undefined ? {} : { ContentDate: date }),
    Weaknesses: Object.entries(entries).map(([id, Description]) => ({
      ID: id,
      Description,
      ...(bad.includes(Number(id)) ? { ContentHistory: "none" } : {}),
    })),
  });
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (etags) headers.etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"`;
  if (lastModified !== undefined) headers["last-modified"] = lastModified;
  const { "if-none-match": tag, "if-modified-since": since } = request.headers;
  // As RFC 9110 has it: every older file is "not modified since".
  const sameTime = since !== undefined && Date.parse(lastModified ?? "") <= Date.parse(since);
  if (tag === undefined ? sameTime : tag === headers.etag) response.writeHead(304, headers).end();
  else response.writeHead(200, headers).end(body);
}

/** What the store must hold of an edition: id → data, without bad entries. */
export const contentOf = ({ entries, bad = [] }: CatalogueEdition): Map<string, unknown> =>
  new Map(
    Object.entries(entries)
      .filter(([id]) => !bad.includes(Number(id)))
      .map(([id, Description]) => [`CWE-${id}`, { ID: id, Description }]),
  );

/** Entries numbered from 1, each with a text that names its edition. */
export const entriesOf = (count: number, edition: string): Record<number, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [i + 1, `${edition} of ${i + 1}`]));
