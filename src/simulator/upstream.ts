/** The interface between each simulated upstream and the server. */
import type { IncomingHttpHeaders } from "node:http";
import type { Drawn } from "./faults/injector.ts";
import type { Reply } from "./http/reply.ts";
import type { BadRecord, Change, ChangeReport, ContentEntry, Point } from "./types.ts";

export interface SimRequest {
  path: string;
  params: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** Where this simulator is reached, without a trailing slash. */
  origin: string;
}

export interface SimulatedUpstream {
  /** Undefined: no such address here. */
  reply(request: SimRequest, drawn: Drawn): Reply | undefined | Promise<Reply | undefined>;
  setPoint(point: Point): ChangeReport;
  mutate(change: Change): ChangeReport;
  /** The true records, sorted by id in plain string order; faults change nothing here. */
  content(): Iterable<ContentEntry>;
  /** The same as JSON texts of ContentEntry. */
  contentLines(): Iterable<string>;
  /** The records that `bad-record` currently breaks. */
  badRecords(): BadRecord[];
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
