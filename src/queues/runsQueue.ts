/** The queue into which scripts put runs; see workers/runsConsumer.ts. */
import { type ConnectionOptions, Queue } from "bullmq";
import type { Keys } from "../redis/keys.ts";
import { EVENTS_KEPT } from "./jobCatalog.ts";

export class RunsQueue {
  readonly queue: Queue;

  constructor(keys: Keys, connection: ConnectionOptions) {
    this.queue = new Queue(keys.runsQueue.name, {
      prefix: keys.runsQueue.prefix,
      connection,
      streams: { events: { maxLen: EVENTS_KEPT } },
      skipWaitingForReady: true,
    });
    this.queue.on("error", () => undefined);
  }

  async waiting(): Promise<number> {
    const {
      wait = 0,
      delayed = 0,
      prioritized = 0,
    } = await this.queue.getJobCounts("wait", "delayed", "prioritized");
    return wait + delayed + prioritized;
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}
