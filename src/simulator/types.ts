/** Types of the simulator's requests and reports. */

/** All stand-ins. `feeds` are NVD's year feeds, which show the same CVEs as `cve`. */
export const standIns = ["cve", "cwe", "capec", "attack", "feeds", "kev", "epss"] as const;
export type StandIn = (typeof standIns)[number];

/** Those that are the upstream of a built-in provider, by the provider's name. */
export type Upstream = Exclude<StandIn, "feeds">;
export const upstreamNames = standIns.filter((name): name is Upstream => name !== "feeds");

/** The feeds exist at two points in time; `after` is some days later than `before`. */
export type Point = "before" | "after";

export interface SimulatorOptions {
  /** 0 (default) takes a free one. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Same seed and same `now`: same bytes. Default 1. */
  seed?: number;
  /** Anchor of all generated dates (ms or ISO): `after` ends just before it. Default: the present hour. */
  now?: number | string;
  /** Clock of the answers' `timestamp` and of changes made while running, ms. Default Date.now. */
  clock?: () => number;
  /** Generated CVEs at the point `before`. Default 3,000. */
  cves?: number;
  /** Generated records of the snapshot feeds. Defaults: cwe 300, capec 200, attack 1,500. */
  cwes?: number;
  capecs?: number;
  attackObjects?: number;
  /** Where records come from. `sharedData` names the folder with real feeds. Default `generated`. */
  dataset?: "generated" | { sharedData: string };
  /** Default `before`. */
  point?: Point;
  /** Fault specs, e.g. `["status-503@0.05", "reset#3:cve"]`. */
  faults?: readonly string[];
  /** NVD's rolling-window limit. Refuses requests beyond it; with `enforce: false` only counts them. Default: none. */
  nvdRate?: NvdRate;
  /** Accepted NVD keys. Default: any. */
  apiKeys?: readonly string[];
  /** Waits before every answer, ms. */
  latencyMs?: number;
  /**
   * Approximate bytes of a generated CVE (4,000 on average). More: each is padded. Below 3,000: each has its minimum,
   * about 1,700, without configurations and further references.
   */
  recordBytes?: number;
  /**
   * Adds records that real feeds never or hardly have: lone surrogates, nulls, deep nesting, 684 KB, odd numbers and
   * keys. Default false: every record is one that correct clients accept.
   */
  extremes?: boolean;
  /** Times with 0 to 9 fraction digits, with and without a zone. Default false: 3 digits, no zone. */
  oddTimes?: boolean;
  /** Unknown fields and explicit nulls in every generated CVE, as after a change of NVD's schema. */
  drift?: boolean;
  /** Order of the NVD listing; it promises none. Default `id`. */
  order?: "id" | "shuffled";
  /** Compress answers if the client allows it. Default true. */
  gzip?: boolean;
}

export interface NvdRate {
  max: number;
  windowMs: number;
  /** The limit with a key. Default: `max`. */
  keyMax?: number;
  enforce?: boolean;
}

/** The changes of an upstream's content, by record id. */
export interface ChangeReport {
  added: string[];
  modified: string[];
  /** CVE: new status and lastModified, emptied lists. */
  rejected: string[];
  /** CVE: other content under the same lastModified. */
  silent: string[];
  removed: string[];
}

export const emptyReport = (): ChangeReport => ({
  added: [],
  modified: [],
  rejected: [],
  silent: [],
  removed: [],
});

/** How many records (picked deterministically), which share of them, or which. */
export type Selection = number | `${number}%` | readonly string[];

/** A change of content. */
export interface Change {
  /** Default cve. */
  provider?: StandIn;
  add?: number;
  modify?: Selection;
  reject?: Selection;
  silent?: Selection;
  remove?: Selection;
  /** `keep`: NVD's year feeds stay as they are until they are published. Default: they show the change at once. */
  feeds?: "keep";
  /**
   * Snapshot feeds only, and alone: the edition before takes the place of the present one, as when a publisher takes an edition
   * back or a server lags behind. Asked for again, the later one is served again.
   */
  takeBack?: true;
  /** lastModified of what changes (ms or ISO). Default: the simulator's clock. */
  at?: number | string;
}

export type ChangeOrPoint = Change | { point: Point };

/** Applied after this many more requests to the change's upstream (default cve), before the next is answered. */
export interface ScheduledChange {
  afterRequests: number;
  change: ChangeOrPoint;
  /** The upstream whose requests count. Default: the change's own. */
  upstream?: StandIn;
}

/** A true record. XML feeds give the element's verbatim source instead of data. */
export interface ContentEntry {
  id: string;
  data?: unknown;
  xml?: string;
}

export interface LogEntry {
  /** 1, 2, … in order of arrival. */
  n: number;
  /** Wall clock of the arrival, ISO. */
  at: string;
  /** Monotonic ms of the arrival (performance.now of the simulator's process). */
  monotonicMs: number;
  /** Null: no such address. `elsewhere`: followed a redirect to another host. */
  upstream: StandIn | null;
  elsewhere: boolean;
  method: string;
  path: string;
  query: string;
  /** 0: the connection was broken before any status. */
  status: number;
  /** The faults applied, joined by `+`; null when none. */
  fault: string | null;
  /** The request carried an API key (its value is not logged). */
  apiKey: boolean;
  /** Body bytes handed to the socket. */
  bytes: number;
  /** ms from arrival to the answer's end; null while it is under way. */
  durationMs: number | null;
  /** Retry-After of its answer, s; 0 for none. */
  retryAfter: number;
  /** ms from arrival until the answer was handed to the socket; null before. */
  answeredMs: number | null;
  /** Refused or counted as over the limit. */
  overLimit: boolean;
  /** It arrived before the end of an earlier answer's Retry-After. */
  whileToldToWait: boolean;
}

export interface Counts {
  requests: Record<StandIn | "unknown", number>;
  /** Applied faults by name; `bad-record` counts records served. */
  injected: Record<string, number>;
  injectedTotal: number;
  violations: {
    /** Requests over the rolling window's limit. */
    overLimit: number;
    /** Requests sent during a required wait. */
    whileToldToWait: number;
    /** Requests to another host that carried the API key. */
    keyLeaks: number;
  };
}

/** A record that `bad-record` broke. */
export interface BadRecord {
  id: string;
  kind: BadKind;
}

/** not-an-object and no-id leave the client without an id. */
export const badKinds = ["not-an-object", "no-id", "wrong-list", "wrong-id"] as const;
export type BadKind = (typeof badKinds)[number];

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

/** A running simulator, as tests and the CLI use it. */
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
