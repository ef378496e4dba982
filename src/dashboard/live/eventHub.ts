/**
 * Sends changes to all followers. One view of the fleet per second serves all of them, and none is taken without
 * followers. A follower that reads too slowly is disconnected: it reconnects and resumes, or starts over.
 */
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Logger } from "../../core/logger.ts";
import { mapRedisError } from "../../redis/errors.ts";
import type { EventData, EventName } from "../api/schemas.ts";
import type { Limits } from "../app.ts";
import { presentState, StateChanges } from "./changes.ts";
import type { FleetLook, FleetView } from "./fleetView.ts";

/** Proxies close idle connections, ms. */
const HEARTBEAT_MS = 15_000;
/** Views are taken for this long after the last follower left, so that it can reconnect without a gap, ms. */
const LINGER_MS = 30_000;

export interface Follower {
  readonly response: ServerResponse;
  /** `Last-Event-ID` of the connection before. */
  readonly lastEventId: string | undefined;
  /** Whether the login that opened the stream is still valid. */
  mayStay(): Promise<boolean>;
}

export interface EventHubOptions {
  view: FleetView;
  limits: Limits;
  logger: Logger;
}

export class EventHub {
  readonly #o: EventHubOptions;
  readonly #followers = new Set<Follower>();
  /** Followers that wait for their first state. */
  readonly #fresh = new Set<Follower>();
  readonly #ring = new EventRing();
  readonly #changes = new StateChanges();
  #timer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #lonelySince: number | undefined;
  #ticking = false;
  #closed = false;

  constructor(options: EventHubOptions) {
    this.#o = options;
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** The response's head has been sent. Ends with the connection, or with `close`. */
  follow(follower: Follower): void {
    const { response, lastEventId } = follower;
    this.#followers.add(follower);
    response.once("close", () => this.#forget(follower));
    response.on("error", () => this.#forget(follower));
    response.write("retry: 2000\n\n");
    const missed = lastEventId === undefined ? undefined : this.#ring.after(lastEventId);
    this.#lonelySince = undefined;
    // The ring received nothing while no view was taken: such a gap cannot be resumed.
    if (missed !== undefined && this.#timer !== undefined)
      for (const event of missed) this.#write(follower, event);
    else this.#fresh.add(follower);
    this.#start();
  }

  /** Tells all followers to reconnect, and closes their connections. */
  close(): void {
    this.#closed = true;
    this.#stop();
    for (const follower of this.#followers) {
      this.#say(follower, "bye", { at: new Date().toISOString() });
      follower.response.end();
    }
    this.#followers.clear();
  }

  #start(): void {
    if (this.#closed) return;
    this.#timer ??= setInterval(() => void this.#tick(), this.#o.limits.pollMs);
    this.#heartbeat ??= setInterval(() => {
      for (const follower of this.#followers) this.#send(follower, ": still here\n\n");
    }, HEARTBEAT_MS);
    void this.#tick();
  }

  #stop(): void {
    clearInterval(this.#timer);
    clearInterval(this.#heartbeat);
    this.#timer = undefined;
    this.#heartbeat = undefined;
    this.#changes.forget();
  }

  #forget(follower: Follower): void {
    this.#followers.delete(follower);
    this.#fresh.delete(follower);
    if (this.#followers.size === 0) this.#lonelySince ??= Date.now();
  }

  async #tick(): Promise<void> {
    if (this.#ticking) return;
    if (this.#lonelySince !== undefined && Date.now() - this.#lonelySince > LINGER_MS) return this.#stop();
    this.#ticking = true;
    try {
      await this.#dismissStrangers();
      const { view, limits } = this.#o;
      const [look, history] = await Promise.all([view.fleet(limits.pollMs / 2), view.history()]);
      for (const { name, data, state } of this.#changes.since(look, history)) {
        const event = this.#ring.add(name, JSON.stringify(data), state);
        for (const follower of this.#followers) if (!this.#fresh.has(follower)) this.#write(follower, event);
      }
      this.#welcome(look);
      this.#pulse({ redis: "ok", code: null, message: null });
    } catch (error) {
      const { code, detail } = mapRedisError(error);
      this.#o.logger.debug({ event: "events_poll_failed", code }, detail);
      this.#pulse({ redis: "away", code, message: detail });
    } finally {
      this.#ticking = false;
    }
  }

  /** The whole current state for new followers. Its last event's id is the point to resume from. */
  #welcome(look: FleetLook): void {
    if (this.#fresh.size === 0) return;
    // Only the last event has an id: a follower that loses the connection earlier starts over.
    const states = presentState(look).map(({ name, data }, i, all) =>
      textOf(name, JSON.stringify(data), i === all.length - 1 ? this.#ring.position : undefined),
    );
    for (const follower of this.#fresh) {
      this.#say(follower, "reset", { at: new Date(look.atMs).toISOString() });
      for (const text of states) this.#send(follower, text);
    }
    this.#fresh.clear();
  }

  async #dismissStrangers(): Promise<void> {
    for (const follower of this.#followers) {
      if (await follower.mayStay()) continue;
      follower.response.end();
      this.#forget(follower);
    }
  }

  #pulse(facts: Omit<EventData["pulse"], "at">): void {
    const data = { at: new Date().toISOString(), ...facts };
    for (const follower of this.#followers) this.#say(follower, "pulse", data);
  }

  /** Without an id: not resumable. */
  #say<Name extends EventName>(follower: Follower, name: Name, data: EventData[Name]): void {
    this.#send(follower, textOf(name, JSON.stringify(data)));
  }

  #write(follower: Follower, { id, name, data }: SentEvent): void {
    this.#send(follower, textOf(name, data, id));
  }

  #send(follower: Follower, text: string): void {
    const { response } = follower;
    if (response.destroyed || response.writableEnded) return;
    if (response.writableLength > this.#o.limits.followerBytes) {
      this.#o.logger.debug({ event: "follower_too_slow" }, "a follower of the events reads too slowly");
      response.destroy();
      return;
    }
    response.write(text);
  }
}

const textOf = (name: string, data: string, id?: string): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${data}\n\n`;

interface SentEvent {
  readonly id: string;
  readonly name: string;
  /** One line of JSON. */
  readonly data: string;
  /** Carries the whole current state of its name: only the newest one matters. */
  readonly state: boolean;
}

/**
 * The last events, so that a follower that lost its connection for a moment gets the missed ones. An id names this
 * ring and a position in it; an id of another process, or one that is too old, cannot be resumed: the whole current
 * state is sent instead.
 */
class EventRing {
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
