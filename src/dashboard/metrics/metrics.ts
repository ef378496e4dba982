/**
 * /metrics. The fleet's metrics use the same view as pages and followers, at most a second old, so additional scrapes
 * cost Redis almost nothing. While Redis is unreachable `uee_redis_up` is 0 and the fleet's metrics are absent, never
 * outdated.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Logger } from "../../core/logger.ts";
import type { Engine } from "../../engine/api.ts";
import { mapRedisError } from "../../redis/errors.ts";
import type { FleetView } from "../live/fleetView.ts";
import { definitions, type MetricsLook } from "./definitions.ts";

export interface MetricsOptions {
  engine: () => Engine;
  view: FleetView;
  /** Scrapes within this period share a view of the fleet, ms. */
  freshMs: number;
  version: string;
  /** Clients that follow the events. */
  followers: () => number;
  logger: Logger;
}

export interface AnsweredRequest {
  method: string;
  /** The pattern of the route, or `unknown`. */
  route: string;
  status: number;
  seconds: number;
}

export class Metrics {
  readonly #o: MetricsOptions;
  readonly #registry = new Registry();
  readonly #redisUp: Gauge;
  readonly #requests: Counter<"method" | "route" | "status">;
  readonly #durations: Histogram<"method" | "route">;
  #scraping: Promise<string> | undefined;

  constructor(options: MetricsOptions) {
    this.#o = options;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const build = { name: "uee_build_info", help: "1, with the version.", labelNames: ["version"] };
    new Gauge({ ...build, registers }).set({ version: options.version }, 1);
    this.#redisUp = new Gauge({
      ...{ name: "uee_redis_up", registers },
      help: "1 when Redis answers; without it the fleet's metrics are absent.",
    });
    this.#requests = new Counter({
      ...{ name: "uee_http_requests_total", help: "Requests answered by this process.", registers },
      labelNames: ["method", "route", "status"],
    });
    this.#durations = new Histogram({
      ...{ name: "uee_http_request_duration_seconds", help: "Response time of this process.", registers },
      labelNames: ["method", "route"],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    });
    new Gauge({
      ...{ name: "uee_event_followers", help: "Clients that follow the events of this process.", registers },
      collect() {
        this.set(options.followers());
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  answered({ method, route, status, seconds }: AnsweredRequest): void {
    this.#requests.inc({ method, route, status: String(status) });
    this.#durations.observe({ method, route }, seconds);
  }

  /** All metrics in Prometheus' text format. Never rejects because of Redis. */
  text(): Promise<string> {
    this.#scraping ??= this.#scrape().finally(() => {
      this.#scraping = undefined;
    });
    return this.#scraping;
  }

  async #scrape(): Promise<string> {
    let fleet = "";
    try {
      fleet = await textOf(await this.#look());
      this.#redisUp.set(1);
    } catch (error) {
      const { code, detail } = mapRedisError(error);
      this.#o.logger.debug({ event: "scrape_without_redis", code }, detail);
      this.#redisUp.set(0);
    }
    return `${await this.#registry.metrics()}\n${fleet}`;
  }

  async #look(): Promise<MetricsLook> {
    const engine = this.#o.engine();
    const [look, totals, runsJobs, audits, letters] = await Promise.all([
      this.#o.view.fleet(this.#o.freshMs),
      engine.totals(),
      engine.runsJobs(),
      engine.permits.audits(),
      Promise.all(
        engine.providers.map(
          async (provider) => [provider, await engine.deadLetters.stats({ provider })] as const,
        ),
      ),
    ]);
    return { ...look, totals, runsJobs, audits, letters: new Map(letters) };
  }
}

/** A registry for one view: unknown values have no sample, and no zero either. */
async function textOf(look: MetricsLook): Promise<string> {
  const registry = new Registry();
  for (const { name, help, labels, read } of definitions) {
    const samples = [...read(look)];
    if (samples.length === 0) continue;
    const facts = { name, help, labelNames: [...labels], registers: [registry] };
    if (name.endsWith("_total")) {
      const metric = new Counter(facts);
      for (const [values, value] of samples) metric.inc(values, value);
    } else {
      const metric = new Gauge(facts);
      for (const [values, value] of samples) metric.set(values, value);
    }
  }
  return registry.metrics();
}
