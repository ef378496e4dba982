/**
 * What a provider may know of HTTP. `upstream/` implements it; providers never see undici, the rate limit or Redis.
 *
 * Every call waits for the fleet's rate limit, is counted as a request of the run (redirect hops too), carries the
 * batch's abort signal and throws UeeErrors of the classes throttle, overload, configuration, corrupt and transient.
 */
export interface FetchRequest {
  url: string;
  headers?: Record<string, string>;
  /**
   * The answer (as the fetcher gave it) in which `url` was found, relative or absolute. The rules of redirects hold then:
   * the same origin gets the credentials and the query, another one none of them; PROV_REDIRECTS for http after https and
   * for this machine or its link unless that answer came from there.
   */
  foundIn?: FetchedHead;
  /** Bound of the decoded body in bytes; beyond it: `tooLargeCode` (default PROV_BODY_TOO_LARGE). */
  maxBytes: number;
  tooLargeCode?: "PROV_BODY_TOO_LARGE" | "PROV_PAGE_TOO_LARGE";
  /** What the body must look like: a web page where data is expected is PROV_HTML. */
  expect: "json" | "xml" | "zip" | "binary";
}

export interface FetchedHead {
  /** 200, or 304 where the request was conditional. Everything else throws. */
  status: 200 | 304;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** The address that answered, after redirects. */
  url: string;
  /** µs by the provider's clock, from right before the request was sent: orders fetches across the fleet. */
  fetchedAt: number;
}

export interface Fetched extends FetchedHead {
  /** Decoded (gunzipped) body; empty on 304. */
  body: Buffer;
}

export interface FetchedStream extends FetchedHead {
  /** Decoded chunks. Throws what a broken, stalled or oversized body is. Must be read to its end or aborted. */
  body: AsyncIterable<Buffer>;
}

export interface Fetcher {
  fetch(request: FetchRequest): Promise<Fetched>;
  stream(request: FetchRequest): Promise<FetchedStream>;
}
