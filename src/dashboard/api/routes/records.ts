/** Records by any accepted name, and the change feed. */
import { serializerCompiler } from "fastify-type-provider-zod";
import { z } from "zod";
import { UeeError } from "../../../core/errors.ts";
import { canonicalJson } from "../../../core/json.ts";
import type { Engine, RunProgress } from "../../../engine/api.ts";
import type { ChangeEntry } from "../../../records/contract.ts";
import { optionalProvider, type Route, route } from "../route.ts";
import {
  type ChangeDays,
  changeDaysSchema,
  changesSchema,
  recentChangesSchema,
  recordSchema,
  recordsSchema,
  searchSchema,
  traceSchema,
} from "../schemas.ts";

/** Older versions stored records of any depth: `JSON.stringify` recurses, and fails on one that is nested thousands deep. */
const serializeRecord = ({
  schema,
  ...of
}: {
  schema: unknown;
  method: string;
  url: string;
  httpStatus?: string;
}) => (of.httpStatus === "200" ? canonicalJson : serializerCompiler({ ...of, schema: schema as z.ZodType }));

const providerList = z.string().max(200).optional().describe("Only these, separated by commas");

const runsOf = async (engine: Engine, provider: string | undefined): Promise<RunProgress[]> => {
  const names = provider === undefined ? engine.providers : [provider];
  return (await Promise.all(names.map((name) => engine.runs({ provider: name, limit: 200 })))).flat();
};

function changesByDay(runs: readonly RunProgress[]): ChangeDays["days"] {
  const days = new Map<string, ChangeDays["days"][number]>();
  for (const { provider, startedAt, endedAt, created, updated, removed } of runs) {
    if (created + updated + removed === 0) continue;
    const day = (endedAt ?? startedAt).slice(0, 10);
    const key = `${day} ${provider}`;
    const sum = days.get(key) ?? { day, provider, created: 0, updated: 0, removed: 0 };
    days.set(key, {
      ...sum,
      created: sum.created + created,
      updated: sum.updated + updated,
      removed: sum.removed + removed,
    });
  }
  return [...days.values()].sort((a, b) => (a.day < b.day ? 1 : -1));
}

export const recordRoutes: readonly Route[] = [
  route({
    path: "GET /api/records/:urn",
    about: ["getRecord", "records", "One record, by URN, id or ATT&CK id"],
    params: z.object({ urn: z.string().max(400).describe("For example CVE-2021-44228") }),
    query: z.object({
      provider: z.string().max(64).optional().describe("Where several providers share an id: whose record"),
    }),
    errors: [404, 410],
    answer: recordSchema,
    options: { serializerCompiler: serializeRecord },
    async handle({ engine, params: { urn }, query }) {
      const found = await engine.records.get(urn, query);
      if (found === undefined) throw new UeeError("STOR_NOT_FOUND", `There is no record '${urn}'.`);
      if ("record" in found) return found.record;
      const { id, removedAt, reason, runId } = found.removed;
      throw new UeeError("STOR_REMOVED", `${id} was removed at ${removedAt}: ${reason}`, {
        data: { removed: { urn: found.urn, id, removedAt, reason, runId } },
      });
    },
  }),
  route({
    path: "GET /api/records",
    about: [
      "listRecordsAbout",
      "records",
      "Every record about one subject: a CVE with its KEV entry and EPSS score",
    ],
    query: z.object({ subject: z.string().max(400).describe("For example CVE-2021-44228") }),
    answer: recordsSchema,
    handle: async ({ engine, query }) => ({ records: await engine.records.about(query.subject) }),
  }),
  route({
    path: "GET /api/search",
    about: ["searchRecords", "records", "Records by id, ATT&CK id or words of their names"],
    query: z.object({
      q: z.string().min(1).max(200).describe("CVE-2021-44228, T1059, or words: path traversal"),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    answer: searchSchema,
    handle: ({ engine, query: { q, limit } }) => engine.records.search(q, { limit }),
  }),
  route({
    path: "GET /api/trace/:id",
    about: ["traceRecord", "records", "The graph around a record: what it leads to and what leads to it"],
    params: z.object({ id: z.string().max(400).describe("A URN, id or ATT&CK id: CVE-2021-44228") }),
    query: z.object({
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .max(1_000)
        .default(10)
        .describe("Of the records that name one, at most so many of each provider"),
      after: z.string().max(400).optional().describe("Of those that name the root, the ones after this id"),
      aliases: z.stringbool().optional().describe("Adds to each node its alias"),
    }),
    errors: [404],
    answer: traceSchema,
    async handle({ engine, params: { id }, query }) {
      const found = await engine.records.trace(id, query);
      if (found === undefined) throw new UeeError("STOR_NOT_FOUND", `There is no record '${id}'.`);
      return found;
    },
  }),
  route({
    path: "GET /api/changes/recent",
    about: ["listRecentChanges", "records", "The newest changes first; of one kind or one record"],
    query: z.object({
      provider: providerList,
      op: z.enum(["created", "updated", "removed", "summary"]).optional(),
      id: z.string().max(400).optional().describe("Of this record: its id as the feed writes it"),
      limit: z.coerce.number().int().min(1).max(500).default(100),
    }),
    errors: [404],
    answer: recentChangesSchema,
    handle: ({ engine, query: { provider, ...query } }) =>
      engine.records.recentChanges({ ...query, providers: provider?.split(",") }),
  }),
  route({
    path: "GET /api/changes/days",
    about: ["countChangesByDay", "records", "How many records were created, updated and removed a day"],
    query: z.object({ provider: optionalProvider }),
    errors: [404],
    answer: changeDaysSchema,
    handle: async ({ engine, query }) => ({ days: changesByDay(await runsOf(engine, query.provider)) }),
  }),
  route({
    path: "GET /api/changes",
    about: ["listChanges", "records", "The change feed after a cursor, page by page, oldest first"],
    query: z.object({
      since: z
        .string()
        .max(1_000)
        .optional()
        .describe("Cursor; without it from the beginning of what is kept"),
      provider: providerList,
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    errors: [404, 410],
    answer: changesSchema,
    async handle({ engine, query: { since, provider, limit } }) {
      const changes: ChangeEntry[] = [];
      for await (const entry of engine.records.changes({ since, providers: provider?.split(",") })) {
        changes.push(entry);
        if (changes.length === limit) break;
      }
      return { changes, cursor: changes.at(-1)?.cursor ?? since ?? null };
    },
  }),
];
