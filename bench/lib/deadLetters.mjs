// Failed jobs of bad records with their raw bytes, as runs leave them; the first worker's sweeper creates the dead
// letters.
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { fromDist } from "./places.mjs";

export async function failRecords(socket, provider, count) {
  const { makeKeys } = await fromDist("redis/keys.js");
  const { deadLetterId } = await fromDist("recovery/deadLetters/badRecords.js");
  const keys = makeKeys("uee").provider(provider);
  const connection = new Redis(socket, { maxRetriesPerRequest: null });
  const { name, prefix } = keys.queue;
  const queue = new Queue(name, { prefix, connection });
  const failing = new Worker(name, () => Promise.reject(new Error("VAL_RECORD_FIELD: as it came")), {
    ...{ prefix, connection, concurrency: 200 },
  });
  for (let from = 0; from < count; from += 1000) {
    const jobs = [];
    const writes = connection.pipeline();
    for (let i = from; i < Math.min(count, from + 1000); i++) {
      const raw = JSON.stringify({
        id: `CVE-2025-${100_000 + i}`,
        references: "none",
        text: "x".repeat(2000),
      });
      const letter = deadLetterId(provider, String(i), raw);
      const facts = {
        id: `CVE-2025-${100_000 + i}`,
        code: "VAL_RECORD_FIELD",
        message: "",
        fetchedAt: 1,
        planned: true,
      };
      writes.set(keys.badRecordRaw(letter), raw).hset(keys.badRecords, letter, JSON.stringify(facts));
      const data = {
        ...{ provider, runId: `${provider}-old`, batch: `bad/${letter}`, pass: 1, generation: 1, size: 1 },
        payload: { deadLetterId: letter },
      };
      jobs.push({ name: "record", data, opts: { jobId: `old-${i}`, attempts: 1, removeOnFail: false } });
    }
    await Promise.all([writes.exec(), queue.addBulk(jobs)]);
  }
  while ((await queue.getFailedCount()) < count) await new Promise((done) => setTimeout(done, 100));
  await failing.close();
  await queue.close();
  connection.disconnect();
}
