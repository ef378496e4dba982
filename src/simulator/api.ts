/** A running simulator, as tests and the CLI use it. */
import type {
  BadRecord,
  Change,
  ChangeReport,
  ContentEntry,
  Counts,
  LogEntry,
  Point,
  ScheduledChange,
  StandIn,
} from "./types.ts";

export interface SimulatorUrls {
  cve: string;
  /** Base of NVD's year feeds, without a trailing slash. */
  feeds: string;
  kev: string;
  epss: string;
  /** The zip, or the JSON catalogue when real data is served. */
  cwe: string;
  cweZip: string;
  cweXml: string;
  cweJson: string;
  capec: string;
  /** The index. */
  attack: string;
}

export interface Simulator {
  readonly url: string;
  /** Another host from the clients' view; target of `redirect-elsewhere`. */
  readonly elsewhereUrl: string;
  readonly urls: SimulatorUrls;
  /** Moves all upstreams to a point in time; changes made since are undone. Returns the changes. */
  setPoint(point: Point): Record<StandIn, ChangeReport>;
  /** Replaces all faults. Throws SYS_USAGE for an invalid spec. */
  setFaults(faults: readonly string[]): void;
  clearFaults(): void;
  mutate(change: Change): ChangeReport;
  /** Resolves when the change has happened, with the changes of the upstream it waited for. */
  scheduleChange(change: ScheduledChange): Promise<ChangeReport>;
  /** The clock continues from this time (ms or ISO); undefined: the true time again. */
  setClock(now: number | string | undefined): void;
  /** Entries with a number above `since`. */
  log(since?: number): LogEntry[];
  counts(): Counts;
  /** The true records, sorted by id in plain string order. */
  content(provider: StandIn): Iterable<ContentEntry>;
  contentLines(provider: StandIn): Iterable<string>;
  badRecords(provider: StandIn): BadRecord[];
  close(): Promise<void>;
}
