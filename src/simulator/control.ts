/**
 * The control API, for tests in other processes: GET /_sim/log, /_sim/counts, /_sim/faults, /_sim/content/<provider>,
 * /_sim/bad-records/<provider>; POST /_sim/faults, /_sim/point,
 * /_sim/change, /_sim/clock. Errors are 400 with code and message.
 */
import type { IncomingMessage } from "node:http";
import { UeeError } from "../core/errors.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import type { Simulator } from "./api.ts";
import { jsonReply, type Reply } from "./http/reply.ts";
import {
  type Change,
  type ChangeOrPoint,
  type Point,
  type ScheduledChange,
  type StandIn,
  standIns,
} from "./types.ts";

export type Controlled = Pick<
  Simulator,
  | "setPoint"
  | "mutate"
  | "setFaults"
  | "setClock"
  | "scheduleChange"
  | "log"
  | "counts"
  | "contentLines"
  | "badRecords"
> & { faults(): string[] };

type Answer = Reply | AsyncIterable<string>;

export function makeControl(simulator: Controlled): (request: IncomingMessage, url: URL) => Promise<Answer> {
  return async (request, url) => {
    const [, , what = "", provider = ""] = url.pathname.split("/");
    if (request.method === "POST") return change(simulator, what, await readJson(request));
    if (request.method !== "GET") throw wrong("The control API knows GET and POST.");
    switch (what) {
      case "log":
        return jsonReply(simulator.log(Number(url.searchParams.get("since") ?? 0) || 0));
      case "counts":
        return jsonReply(simulator.counts());
      case "faults":
        return jsonReply({ faults: simulator.faults() });
      case "content":
        return lines(simulator.contentLines(upstream(provider)));
      case "bad-records":
        return jsonReply(simulator.badRecords(upstream(provider)));
      default:
        throw new UeeError("API_NOT_FOUND", `There is no /_sim/${what}.`);
    }
  };
}

async function change(simulator: Controlled, what: string, body: JsonObject): Promise<Answer> {
  switch (what) {
    case "faults":
      simulator.setFaults(texts(body.faults, "faults"));
      return jsonReply({ faults: simulator.faults() });
    case "clock":
      if (body.now !== null && typeof body.now !== "string" && typeof body.now !== "number")
        throw wrong("now is a time (ms or ISO), or null for the true one.");
      simulator.setClock(body.now ?? undefined);
      return jsonReply({ now: body.now });
    case "point":
      return jsonReply(simulator.setPoint(readPoint(body.point)));
    case "change": {
      if (body.afterRequests === undefined) {
        const now = readChange(body);
        return jsonReply("point" in now ? simulator.setPoint(now.point) : simulator.mutate(now));
      }
      const scheduled: ScheduledChange = {
        afterRequests: whole(body.afterRequests, "afterRequests"),
        change: readChange(isObject(body.change) ? body.change : {}),
        ...(body.upstream === undefined ? {} : { upstream: upstream(String(body.upstream)) }),
      };
      // The log and the counts tell when it has happened.
      simulator.scheduleChange(scheduled).catch(() => {});
      return jsonReply({ scheduled: true }, 202);
    }
    default:
      throw new UeeError("API_NOT_FOUND", `There is no /_sim/${what} to post to.`);
  }
}

const wrong = (text: string): UeeError => new UeeError("API_BAD_INPUT", text);

function readChange(body: JsonObject): ChangeOrPoint {
  if (body.point !== undefined) return { point: readPoint(body.point) };
  const known = new Set(["provider", "add", "modify", "reject", "silent", "remove", "at", "feeds"]);
  const odd = Object.keys(body).find((key) => !known.has(key));
  if (odd !== undefined) throw wrong(`A change has no '${odd}'; it has ${[...known].join(", ")}.`);
  const out: Change = {};
  if (body.provider !== undefined) out.provider = upstream(String(body.provider));
  if (body.add !== undefined) out.add = whole(body.add, "add");
  for (const key of ["modify", "reject", "silent", "remove"] as const) {
    const value = body[key];
    if (value === undefined) continue;
    out[key] = Array.isArray(value) ? texts(value, key) : isShare(value) ? value : whole(value, key);
  }
  if (body.feeds !== undefined && body.feeds !== "keep") throw wrong("feeds is 'keep' or absent.");
  if (body.feeds === "keep") out.feeds = "keep";
  if (typeof body.at === "string" || typeof body.at === "number") out.at = body.at;
  return out;
}

function upstream(text: string): StandIn {
  const found = standIns.find((name) => name === text);
  if (!found) throw wrong(`There is no upstream '${text}'; there are ${standIns.join(", ")}.`);
  return found;
}

function readPoint(value: unknown): Point {
  if (value !== "before" && value !== "after") throw wrong("A point in time is 'before' or 'after'.");
  return value;
}

const isShare = (value: unknown): value is `${number}%` =>
  typeof value === "string" && /^\d+(\.\d+)?%$/.test(value);

function whole(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(`${name} is a count.`);
  return value as number;
}

function texts(value: unknown, name: string): string[] {
  if (!Array.isArray(value) || !value.every((one): one is string => typeof one === "string"))
    throw wrong(`${name} is a list of texts.`);
  return value;
}

async function readJson(request: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw wrong("The body is not JSON.");
  }
  if (!isObject(value)) throw wrong("The body is not a JSON object.");
  return value;
}

/** Lets other requests in now and then: a catalogue of 400,000 records takes seconds to print. */
async function* lines(source: Iterable<string>): AsyncGenerator<string> {
  let count = 0;
  for (const line of source) {
    if (++count % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield line;
  }
}
