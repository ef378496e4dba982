/** The queue of messages to the webhook's receiver; session/webhook.ts fills and empties it. */
import type { Queue } from "bullmq";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import { boundEvents, type JobCounts, jobCounts, openQueue } from "./bullmqQueue.ts";
import { QueueConsumer } from "./consumer.ts";
import type { TakenJob } from "./takenJob.ts";

/** With the waits of `backoffMs` a receiver may be away for about three hours. */
const ATTEMPTS = 20;
const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 15 * 60_000;

/** Wait before the next attempt, ms; `made` attempts were made so far. */
const backoffMs = (made: number): number =>
  Math.min(FIRST_WAIT_MS * 2 ** (made - 1), LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);

export interface WebhookQueueOptions {
  connections: Pick<RedisConnections, "of" | "open">;
  keys: Keys;
  /** Shown in Bull Board beside the messages that it takes. */
  consumerId: string;
  /** Multiplies waits. */
  waitScale: number;
  /** Sends the message of a job and reports the outcome. */
  process(job: TakenJob, lockLost: AbortSignal | undefined): Promise<void>;
  onError(error: Error): void;
}

export class WebhookQueue {
  readonly #queue: Queue;
  readonly #o: WebhookQueueOptions;
  #taking: { consumer: QueueConsumer; disconnect(): void } | undefined;

  constructor(options: WebhookQueueOptions) {
    const { connections, keys } = options;
    this.#o = options;
    // A message is no dead letter: nothing of the mirror is lost with it, so failed ones are bounded.
    this.#queue = openQueue(keys.webhookQueue, connections.of(keys.webhookQueue.prefix), {
      ...{ attempts: ATTEMPTS, backoff: { type: "custom" }, stackTraceLimit: 0 },
      ...{ removeOnComplete: { count: 200 }, removeOnFail: { count: 200 } },
    });
  }

  /** Adding a message whose id is in the queue, waiting or ended, changes nothing. */
  async add(id: string, message: object): Promise<void> {
    await this.#queue.add("message", message, { jobId: id });
  }

  counts(): Promise<JobCounts> {
    return jobCounts(this.#queue);
  }

  /** Takes messages until `close`, one at a time. */
  async run(): Promise<void> {
    const { connections, keys, consumerId, waitScale, process, onError } = this.#o;
    const queue = keys.webhookQueue;
    const commands = connections.of(queue.prefix);
    // A Redis that refuses this now takes it from the next process.
    await boundEvents(commands, queue).catch(onError);
    const connection = connections.open("blocking", queue.prefix);
    const consumer = new QueueConsumer({
      ...{ queue, workerId: consumerId, connection, commands, concurrency: 1, process, onError },
      backoffMs: (made) => Math.round(backoffMs(made) * waitScale),
      onReleased: () => undefined,
    });
    this.#taking = { consumer, disconnect: () => connection.disconnect() };
    void consumer.run().catch(onError);
  }

  /** Resolves when the message under way has been reported. */
  async close(): Promise<void> {
    await this.#taking?.consumer.close();
    this.#taking?.disconnect();
    await this.#queue.close();
  }
}
