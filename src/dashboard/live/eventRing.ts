/**
 * The last events, so that a follower that lost its connection for a moment gets the missed ones. An id names this
 * ring and a position in it; an id of another process, or one that is too old, cannot be resumed: the whole current
 * state is sent instead.
 */
import { randomBytes } from "node:crypto";

export interface SentEvent {
  readonly id: string;
  readonly name: string;
  /** One line of JSON. */
  readonly data: string;
  /** Carries the whole current state of its name: only the newest one matters. */
  readonly state: boolean;
}

export class EventRing {
  readonly #ring = randomBytes(6).toString("base64url");
  readonly #kept: number;
  readonly #events: SentEvent[] = [];
  #next = 1;

  constructor(kept = 500) {
    this.#kept = kept;
  }

  add(name: string, data: string, state: boolean): SentEvent {
    const event = { id: `${this.#ring}.${this.#next++}`, name, data, state };
    this.#events.push(event);
    if (this.#events.length > this.#kept) this.#events.shift();
    return event;
  }

  /** Id of the newest event; a follower that has it is up to date. */
  get position(): string {
    return `${this.#ring}.${this.#next - 1}`;
  }

  /** Oldest first; undefined if a part is no longer known. */
  after(id: string): SentEvent[] | undefined {
    const [ring, text = ""] = id.split(".");
    const place = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (ring !== this.#ring || !(place < this.#next)) return undefined;
    const missed = this.#next - 1 - place;
    if (missed > this.#events.length) return undefined;
    const events = this.#events.slice(this.#events.length - missed);
    const newest = new Map(events.map((event) => [event.name, event]));
    return events.filter((event) => !event.state || newest.get(event.name) === event);
  }
}
