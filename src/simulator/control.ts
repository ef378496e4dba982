/**
 * The control API, for tests in other processes: GET /_sim/log, /_sim/counts, /_sim/faults, /_sim/content/<provider>,
 * /_sim/bad-records/<provider>; POST /_sim/faults, /_sim/point,
 * /_sim/change, /_sim/clock. Errors are 400 with code and message.
 */
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { UeeError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { jsonReply, type Reply } from "./http/reply.ts";
import { type ChangeOrPoint, type ScheduledChange, type Simulator, standIns } from "./types.ts";

type Controlled = Omit<Simulator, "url" | "elsewhereUrl" | "urls" | "close"> & { faults(): string[] };

type Answer = Reply | AsyncIterable<string>;

export function makeControl(simulator: Controlled): (request: IncomingMessage, url: URL) => Promise<Answer> {
  return async (request, url) => {
    const [, , what = "", provider = ""] = url.pathname.split("/");
    const { method } = request;
    if (method !== "GET" && method !== "POST") throw wrong("The control API knows GET and POST.");
    const table = method === "POST" ? changes : reads;
    const known = Object.hasOwn(table, what) ? table[what] : undefined;
    if (!known) throw new UeeError("API_NOT_FOUND", `There is no ${method} /_sim/${what}.`);
    return known(simulator, method === "POST" ? await readJson(request) : provider, url.searchParams);
  };
}

type Handler = (simulator: Controlled, body: unknown, params: URLSearchParams) => Answer;

/** What each address shows. */
const reads: Record<string, Handler> = {
  log: (simulator, _, params) => jsonReply(simulator.log(Number(params.get("since") ?? 0) || 0)),
  counts: (simulator) => jsonReply(simulator.counts()),
  faults: (simulator) => jsonReply({ faults: simulator.faults() }),
  content: (simulator, provider) => lines(simulator.contentLines(read(name, provider))),
  "bad-records": (simulator, provider) => jsonReply(simulator.badRecords(read(name, provider))),
};

const selection = z.union([
  z.int().nonnegative(),
  z.custom<`${number}%`>((value) => typeof value === "string" && /^\d+(\.\d+)?%$/.test(value)),
  z.array(z.string()),
]);
const name = z.enum(standIns);
const point = z.strictObject({ point: z.enum(["before", "after"]) });
const changeOrPoint = z.union([
  point,
  z.strictObject({
    provider: name.optional(),
    add: z.int().nonnegative().optional(),
    modify: selection.optional(),
    reject: selection.optional(),
    silent: selection.optional(),
    remove: selection.optional(),
    at: z.union([z.string(), z.number()]).optional(),
    feeds: z.literal("keep").optional(),
    takeBack: z.literal(true).optional(),
  }),
]);
const scheduled = z.strictObject({
  afterRequests: z.int().nonnegative(),
  change: changeOrPoint.default({}),
  upstream: name.optional(),
});

/** What each address takes, and does. */
const changes: Record<string, Handler> = {
  faults: (simulator, body) => {
    simulator.setFaults(read(z.strictObject({ faults: z.array(z.string()) }), body).faults);
    return jsonReply({ faults: simulator.faults() });
  },
  clock: (simulator, body) => {
    const { now } = read(z.strictObject({ now: z.union([z.string(), z.number(), z.null()]) }), body);
    simulator.setClock(now ?? undefined);
    return jsonReply({ now });
  },
  point: (simulator, body) => jsonReply(simulator.setPoint(read(point, body).point)),
  change: (simulator, body) => {
    if (!isObject(body) || !("afterRequests" in body)) {
      const now = read(changeOrPoint, body) as ChangeOrPoint;
      return jsonReply("point" in now ? simulator.setPoint(now.point) : simulator.mutate(now));
    }
    // The log and the counts show when it has happened.
    simulator.scheduleChange(read(scheduled, body) as ScheduledChange).catch(() => {});
    return jsonReply({ scheduled: true }, 202);
  },
};

const wrong = (text: string): UeeError => new UeeError("API_BAD_INPUT", text);

/** @throws UeeError API_BAD_INPUT */
function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const { success, data, error } = schema.safeParse(body);
  if (!success) throw wrong(z.prettifyError(error));
  return data;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw wrong("The body is not JSON.");
  }
}

/** Yields to other requests now and then: printing 400,000 records takes seconds. */
async function* lines(source: Iterable<string>): AsyncGenerator<string> {
  let count = 0;
  for (const line of source) {
    if (++count % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield line;
  }
}
