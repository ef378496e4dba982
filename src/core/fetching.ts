/**
 * The HTTP interface for providers. `upstream/` implements it; providers never see undici, the rate limit or Redis.
 *
 * Every call waits for the fleet's rate limit, is counted as a request of the run (including redirects), carries the
 * batch's abort signal and throws UeeErrors of the classes throttle, overload, configuration, corrupt and transient.
 */
export interface FetchRequest {
  url: string;
  headers?: Record<string, string>;
  /**
   * The answer (as the fetcher returned it) in which `url` was found, relative or absolute. The rules of redirects
   * then apply: the same origin gets the credentials and the query, another origin gets neither; PROV_REDIRECTS for
   * http after https, and for this machine or its link unless that answer came from there.
   */
  foundIn?: FetchedHead;
  /** Bound of the decoded body in bytes; beyond it: `tooLargeCode` (default PROV_BODY_TOO_LARGE). */
  maxBytes: number;
  tooLargeCode?: "PROV_BODY_TOO_LARGE" | "PROV_PAGE_TOO_LARGE";
  /** The expected kind of body: a web page instead of data is PROV_HTML. */
  expect: "json" | "xml" | "zip" | "binary";
}

export interface FetchedHead {
  /** 200, or 304 when the request was conditional. Every other status throws. */
  status: 200 | 304;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** The address that answered, after redirects. */
  url: string;
  /** µs by the provider's clock, taken right before the request was sent: orders fetches across the fleet. */
  fetchedAt: number;
}

export interface Fetched extends FetchedHead {
  /** Decoded (gunzipped) body; empty on 304. */
  body: Buffer;
}

export interface FetchedStream extends FetchedHead {
  /** Decoded chunks. Throws when the body breaks, stalls or is too large. Read it to its end or abort it. */
  body: AsyncIterable<Buffer>;
}

export interface Fetcher {
  fetch(request: FetchRequest): Promise<Fetched>;
  stream(request: FetchRequest): Promise<FetchedStream>;
}
