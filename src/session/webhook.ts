/**
 * Tells a webhook what people must know of the mirror: a source was paused, a run failed or ended incomplete, a source is
 * stale or not equal to its feeds, and that it is well again. Any number of services may do this at once: one of them at
 * a time looks, and what was told is changed by compare-and-set together with the messages that follow from it, which are
 * put into the queue afterwards under their own ids. So there is one message an event, whichever process dies. Sending is
 * at-least-once: a receiver gets a message again when the process dies before it has noted the answer.
 *
 * The address is a secret: it is neither stored nor logged, and no error names it (upstream/post.ts).
 */
import { randomUUID } from "node:crypto";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { redactSecrets } from "../core/secrets.ts";
import type { Engine, ProviderStatus } from "../engine/api.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import { WebhookQueue } from "../queues/webhookQueue.ts";
import type { RedisConnections } from "../redis/connect.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { Keys } from "../redis/keys.ts";
import { Rounds } from "../redis/rounds.ts";
import { loadScripts } from "../redis/scripts.ts";
import { takeTurn } from "../redis/turn.ts";
import { linkSignals } from "../upstream/abortable.ts";
import { makePoster, type Poster } from "../upstream/post.ts";
import { type Problem, type ProviderProblemKind, problemsOf } from "./problems.ts";

const scripts = loadScripts(import.meta.url, ["swapField-1"]);

/** The problems of which a message is sent. */
const toldKinds = [
  "paused",
  "failed",
  "incomplete",
  "stale",
  "unreconciled",
] as const satisfies ProviderProblemKind[];
type ToldKind = (typeof toldKinds)[number];

/** What the receiver gets, as JSON. Slack and what imitates it read `text` and ignore the rest. */
export interface WebhookMessage {
  text: string;
  /** The same for a message that is sent again. */
  id: string;
  event: ToldKind | "recovered" | "test";
  /** Null in a test. */
  provider: string | null;
  /** ISO: when it was noticed. */
  at: string;
  /** The page of the dashboard that shows it; null where UEE_PUBLIC_URL is not set. */
  link: string | null;
}

/** What was told of a provider that is not well: kind → what distinguishes this problem from a later one of its kind. */
interface Told {
  problems: Partial<Record<ToldKind, string>>;
  /** Messages that may not be in the queue yet. */
  outbox: WebhookMessage[];
}

const LOOK_MS = 5_000;
/** A receiver's Retry-After is honoured up to this, ms. */
const LONGEST_WAIT_MS = 3_600_000;
/** A message that arrives later says when it was noticed. */
const LATE_MS = 60_000;
const TIMEOUT_MS = 10_000;

export interface WebhookOptions {
  url: string;
  /** Address under which people reach the dashboard. */
  publicUrl: string | undefined;
  engine: Pick<Engine, "status">;
  connections: RedisConnections;
  keys: Keys;
  /** Multiplies the waits between attempts. */
  waitScale: number;
  logger: Logger;
  /** For a receiver's whole answer, ms. Default 10,000. */
  timeoutMs?: number;
  /** Between two looks at the mirror, ms. Default 5,000. */
  lookMs?: number;
}

export class Webhook {
  readonly #o: WebhookOptions;
  readonly #poster: Poster;
  readonly #queue: WebhookQueue;
  readonly #rounds: Rounds;
  readonly #stopping = new AbortController();
  #closing: Promise<void> | undefined;
  readonly #id = `webhook-${randomUUID().slice(0, 8)}`;

  constructor(options: WebhookOptions) {
    this.#o = options;
    const { url, connections, keys, waitScale, logger } = options;
    this.#poster = makePoster(url, { timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
    this.#queue = new WebhookQueue({
      ...{ connections, keys, waitScale, consumerId: this.#id },
      process: (job, lockLost) => this.#send(job, lockLost),
      onError: (error) => {
        const { code, message } = mapRedisError(error);
        logger.debug({ event: "queue_error", queue: keys.webhookQueue.name, code }, message);
      },
    });
    const everyMs = options.lookMs ?? LOOK_MS;
    const work = () => this.#look(everyMs);
    this.#rounds = new Rounds({ everyMs, work, failed: "webhook_look_failed", logger });
  }

  /** Looks at the mirror and sends messages until `close`. */
  async start(): Promise<void> {
    await this.#queue.run();
    this.#rounds.start();
    this.#rounds.now();
  }

  /** A message under way goes back to the queue. Never rejects; the second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stopping.abort(new UeeError("SYS_SHUTDOWN"));
      await Promise.allSettled([this.#rounds.stop(), this.#queue.close()]);
      await this.#poster.close();
    })();
    return this.#closing;
  }

  /** Sends a test message at once, past the queue. @throws UeeError SYS_WEBHOOK_AWAY, SYS_WEBHOOK_REFUSED */
  test(actor: string): Promise<void> {
    return this.#poster.post(testMessage(this.#o, actor));
  }

  /** Messages that wait, and those that were given up. */
  async queued(): Promise<{ waiting: number; failed: number }> {
    const { waiting, active, delayed, failed } = await this.#queue.counts();
    return { waiting: waiting + active + delayed, failed };
  }

  async #look(everyMs: number): Promise<void> {
    const { engine, connections, keys } = this.#o;
    const redis = connections.of(keys.webhook);
    if (!(await takeTurn(redis, keys.webhookTurn, this.#id, Math.round(everyMs * 0.9)))) return;
    const [status, told] = await Promise.all([engine.status(), redis.hgetall(keys.webhook)]);
    for (const provider of status.providers)
      await this.#tell(provider, told[provider.provider] ?? "", Date.parse(status.at));
  }

  async #tell(provider: ProviderStatus, before: string, nowMs: number): Promise<void> {
    const known: Told = before === "" ? { problems: {}, outbox: [] } : (JSON.parse(before) as Told);
    // Another process may have died before it had put them into the queue.
    const outbox = [...known.outbox];
    const present: Told["problems"] = {};
    for (const problem of problemsOf(provider, nowMs)) {
      if (!isTold(problem)) continue;
      const key = distinctionOf(problem.kind, provider);
      present[problem.kind] = key;
      if (known.problems[problem.kind] !== key) outbox.push(this.#messageOf(problem, provider, nowMs));
    }
    const names = Object.keys(known.problems) as ToldKind[];
    if (Object.keys(present).length === 0 && names.length > 0)
      outbox.push(this.#recovered(names, provider, nowMs));
    const settled =
      Object.keys(present).length === 0 ? "" : JSON.stringify({ problems: present, outbox: [] });
    if (outbox.length === 0 && settled === before) return;
    const pending = outbox.length === 0 ? settled : JSON.stringify({ problems: present, outbox });
    // @safeguard webhook-told-once
    if (!(await this.#swap(provider.provider, before, pending))) return;
    for (const message of outbox) await this.#queue.add(message.id, message);
    if (outbox.length > 0) await this.#swap(provider.provider, pending, settled);
  }

  async #swap(provider: string, before: string, after: string): Promise<boolean> {
    const { connections, keys } = this.#o;
    const redis = connections.of(keys.webhook);
    return Number(await scripts.swapField.run(redis, [keys.webhook], [provider, before, after])) === 1;
  }

  #messageOf(problem: Problem<ToldKind>, status: ProviderStatus, nowMs: number): WebhookMessage {
    const { kind, text, remedy } = problem;
    const runId = kind === "unreconciled" ? status.reconciled?.runId : status.lastRun?.runId;
    const path =
      kind === "paused" || kind === "stale" || !runId ? undefined : `runs/${encodeURIComponent(runId)}`;
    return message(this.#o, {
      event: kind,
      provider: status.provider,
      nowMs,
      path,
      said: `${text}.\n${remedy}`,
    });
  }

  #recovered(ended: readonly ToldKind[], { provider }: ProviderStatus, nowMs: number): WebhookMessage {
    const said = `${provider} is well again; it was ${ended.map((kind) => inWords[kind]).join(" and ")}.`;
    return message(this.#o, { event: "recovered", provider, nowMs, said });
  }

  async #send(job: TakenJob, lockLost: AbortSignal | undefined): Promise<void> {
    const { logger, waitScale } = this.#o;
    const { signal, unlink } = linkSignals(this.#stopping.signal, ...(lockLost ? [lockLost] : []));
    const sent = job.data as WebhookMessage;
    const facts = { event: "webhook", id: sent.id, about: sent.event, provider: sent.provider };
    try {
      await this.#poster.post(withTime(sent, Date.now()), signal);
      logger.info(facts, `the webhook was told: ${sent.event} ${sent.provider ?? ""}`.trimEnd());
      await job.report({ kind: "done", summary: { event: sent.event } });
    } catch (error) {
      if (this.#stopping.signal.aborted) return await job.report({ kind: "defer", delayMs: 0 });
      if (!(error instanceof UeeError) || !error.code.startsWith("SYS_WEBHOOK_")) throw error;
      const { made, allowed } = job.attempts;
      const last = error.code === "SYS_WEBHOOK_REFUSED" || made + 1 >= allowed;
      const line = { ...facts, code: error.code, attempt: made + 1, attempts: allowed };
      logger[last ? "error" : "warn"](line, `${error.detail}${last ? " The message is given up." : ""}`);
      if (last) return await job.report({ kind: "dead", error });
      const { retryAfterMs: told } = error;
      const delayMs =
        told === undefined ? undefined : Math.round(Math.min(told, LONGEST_WAIT_MS) * waitScale);
      await job.report({ kind: "retry", error, ...(delayMs === undefined ? {} : { delayMs }) });
    } finally {
      unlink();
    }
  }
}

/** Sends a test message without a mirror. @throws UeeError SYS_WEBHOOK_AWAY, SYS_WEBHOOK_REFUSED */
export async function testWebhook(
  options: Pick<WebhookOptions, "url" | "publicUrl" | "keys">,
  actor: string,
): Promise<void> {
  const poster = makePoster(options.url, { timeoutMs: TIMEOUT_MS });
  try {
    await poster.post(testMessage(options, actor));
  } finally {
    await poster.close();
  }
}

const inWords: Readonly<Record<ToldKind, string>> = {
  paused: "paused",
  failed: "left with a failed run",
  incomplete: "incomplete",
  stale: "stale",
  unreconciled: "not equal to its feeds",
};

const isTold = (problem: Problem): problem is Problem<ToldKind> =>
  problem.severity === "bad" && (toldKinds as readonly string[]).includes(problem.kind);

/** Another pause is another event; another run that fails with the same code is not. */
function distinctionOf(kind: ToldKind, { machine, lastRun }: ProviderStatus): string {
  if (kind === "paused") return String(machine.version);
  return kind === "failed" || kind === "incomplete" ? (lastRun?.error?.code ?? "") : "";
}

const testMessage = (options: Pick<WebhookOptions, "publicUrl" | "keys">, actor: string): WebhookMessage =>
  message(options, {
    ...{ event: "test", provider: null, nowMs: Date.now() },
    said: `this is a test, sent by ${actor}. Messages tell when a source is paused, failed, incomplete, stale or not equal to its feeds, and when it is well again.`,
  });

interface MessageFacts extends Pick<WebhookMessage, "event" | "provider"> {
  nowMs: number;
  said: string;
  /** Address within the dashboard; default: the runs of the provider. */
  path?: string | undefined;
}

function message(
  { publicUrl, keys }: Pick<WebhookOptions, "publicUrl" | "keys">,
  { event, provider, nowMs, said, path = provider === null ? "" : `runs?provider=${provider}` }: MessageFacts,
): WebhookMessage {
  const link = publicUrl === undefined ? null : `${publicUrl.replace(/\/+$/, "")}/${path}`;
  // Two mirrors may tell the same channel.
  const mirror = keys.prefix === "uee" ? "UEE" : `UEE (${keys.prefix})`;
  const text = `${mirror}: ${escaped(redactSecrets(said))}${link === null ? "" : `\n${link}`}`;
  return { text, id: randomUUID(), event, provider, at: new Date(nowMs).toISOString(), link };
}

/** In Slack's markup `<!channel>` notifies the whole channel: texts of upstreams and people must not. */
const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** A message that was held up must not look like news. */
function withTime(sent: WebhookMessage, nowMs: number): WebhookMessage {
  if (nowMs - Date.parse(sent.at) < LATE_MS) return sent;
  return { ...sent, text: `${sent.text}\n(noticed at ${sent.at.slice(0, 16).replace("T", " ")} UTC)` };
}
