/**
 * Tells all followers what changed. One look at the fleet a second serves them all, and none is taken while nobody
 * follows. A follower who reads too slowly is cut off: it comes back and resumes, or begins anew.
 */
import type { ServerResponse } from "node:http";
import type { Logger } from "../../core/logger.ts";
import { mapRedisError } from "../../redis/errors.ts";
import type { EventData, EventName } from "../api/schemas.ts";
import type { Limits } from "../options.ts";
import { presentState, StateChanges } from "./changes.ts";
import { EventRing, type SentEvent } from "./eventRing.ts";
import type { FleetLook, FleetView } from "./fleetView.ts";

/** Proxies end connections on which nothing moves, ms. */
const HEARTBEAT_MS = 15_000;
/** So long is looked on after the last follower left: it may be back in a moment, and miss nothing, ms. */
const LINGER_MS = 30_000;

export interface Follower {
  readonly response: ServerResponse;
  /** `Last-Event-ID` of the connection before. */
  readonly lastEventId: string | undefined;
  /** Whether the login that opened the stream still holds. */
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
  /** Followers that still wait for their first state. */
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

  /** The response's head was sent. Ends with the connection, or with `close`. */
  follow(follower: Follower): void {
    const { response, lastEventId } = follower;
    this.#followers.add(follower);
    response.once("close", () => this.#forget(follower));
    response.on("error", () => this.#forget(follower));
    response.write("retry: 2000\n\n");
    const missed = lastEventId === undefined ? undefined : this.#ring.after(lastEventId);
    this.#lonelySince = undefined;
    // While nobody looked nothing came into the ring: what it does not know cannot be resumed.
    if (missed !== undefined && this.#timer !== undefined)
      for (const event of missed) this.#write(follower, event);
    else this.#fresh.add(follower);
    this.#start();
  }

  /** Tells everybody to come back, and ends their connections. */
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

  /** The whole present state for those who begin. Its last event's id is where they may resume. */
  #welcome(look: FleetLook): void {
    if (this.#fresh.size === 0) return;
    // Only the last one has an id: whoever loses the connection before it begins anew.
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

  /** Without an id: nothing that could be resumed. */
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
