/** Who asks for something, and why. Kept with what comes of it. */
export interface Actor {
  /** Only a person ends a pause or stops a run. */
  kind: "person" | "engine" | "schedule" | "script";
  /** A person's name, a worker's id, or a schedule's name. */
  name: string;
}

/** What a caller says about itself; without `actor` the caller is named after the way in, e.g. `library`. */
export interface PersonRequest {
  actor?: string;
  reason?: string;
}

/** The same, when the caller is known. */
export type NamedRequest = PersonRequest & { actor: string };
