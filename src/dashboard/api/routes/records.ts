/** Records by any accepted name, and the change feed. */
import { serializerCompiler } from "fastify-type-provider-zod";
import { z } from "zod";
import { UeeError } from "../../../core/errors.ts";
import { canonicalJson } from "../../../core/json.ts";
import type { ChangeEntry } from "../../../records/contract.ts";
import type { App, RouteSurroundings } from "../../app.ts";
import { changesSchema, errorSchema, recordSchema } from "../schemas.ts";
import { commonErrors } from "./shared.ts";

/** Older versions stored records of any depth: `JSON.stringify` recurses, and fails on one that is nested thousands deep. */
const serializeRecord = ({
  schema,
  ...route
}: {
  schema: unknown;
  httpStatus?: string;
  method: string;
  url: string;
}) =>
  route.httpStatus === "200"
    ? (record: unknown) => canonicalJson(record)
    : serializerCompiler({ ...route, schema: schema as z.ZodType });

export function recordRoutes(app: App, { engine }: RouteSurroundings): void {
  app.get(
    "/api/records/:urn",
    {
      serializerCompiler: serializeRecord,
      schema: {
        operationId: "getRecord",
        tags: ["records"],
        summary: "One record, by URN, id or ATT&CK id",
        params: z.object({ urn: z.string().max(400).describe("For example CVE-2021-44228") }),
        querystring: z.object({
          provider: z
            .string()
            .max(64)
            .optional()
            .describe("Where several providers share an id: whose record"),
        }),
        response: { 200: recordSchema, 404: errorSchema, 410: errorSchema, ...commonErrors },
      },
    },
    async ({ params, query }) => {
      const found = await engine().records.get(
        params.urn,
        query.provider === undefined ? {} : { provider: query.provider },
      );
      if (found === undefined) throw new UeeError("STOR_NOT_FOUND", `There is no record '${params.urn}'.`);
      if ("record" in found) return found.record;
      const { id, removedAt, reason, runId } = found.removed;
      throw new UeeError("STOR_REMOVED", `${id} was removed at ${removedAt}: ${reason}`, {
        data: { removed: { urn: found.urn, id, removedAt, reason, runId } },
      });
    },
  );
  app.get(
    "/api/records",
    {
      schema: {
        operationId: "listRecordsAbout",
        tags: ["records"],
        summary: "Every record about one subject: a CVE with its KEV entry and EPSS score",
        querystring: z.object({ subject: z.string().max(400).describe("For example CVE-2021-44228") }),
        response: { 200: z.object({ records: z.array(recordSchema) }), ...commonErrors },
      },
    },
    async ({ query }) => ({ records: await engine().records.about(query.subject) }),
  );
  app.get(
    "/api/changes",
    {
      schema: {
        operationId: "listChanges",
        tags: ["records"],
        summary: "The change feed after a cursor, page by page, oldest first",
        querystring: z.object({
          since: z
            .string()
            .max(1_000)
            .optional()
            .describe("Cursor; without it from the beginning of what is kept"),
          provider: z.string().max(200).optional().describe("Only these, separated by commas"),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: changesSchema, 404: errorSchema, 410: errorSchema, ...commonErrors },
      },
    },
    async ({ query }) => {
      const changes: ChangeEntry[] = [];
      const wanted = {
        ...(query.since === undefined ? {} : { since: query.since }),
        ...(query.provider === undefined ? {} : { providers: query.provider.split(",") }),
      };
      for await (const entry of engine().records.changes(wanted)) {
        changes.push(entry);
        if (changes.length === query.limit) break;
      }
      return { changes, cursor: changes.at(-1)?.cursor ?? query.since ?? null };
    },
  );
}
