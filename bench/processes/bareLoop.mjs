// The bare loop: one process, one page at a time, fetch + JSON.parse + pipelined HSET of one JSON.stringify per top-level
// field. No digests, no fences, no checkpoints: what is lost in a crash is lost. argv: socket, address of the CVE API
import { Redis } from "ioredis";

const [socket, address] = process.argv.slice(2);
const PAGE = 2000;
const redis = new Redis(socket);
await redis.ping();
const started = performance.now();
let total = Number.POSITIVE_INFINITY;
let at = 0;
while (at < total) {
  const response = await fetch(`${address}?resultsPerPage=${PAGE}&startIndex=${at}`);
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const page = JSON.parse(await response.text());
  const pipeline = redis.pipeline();
  for (const { cve } of page.vulnerabilities) {
    const fields = [];
    for (const name in cve) fields.push(name, JSON.stringify(cve[name]));
    pipeline.hset(`bare:${cve.id}`, ...fields);
  }
  for (const [error] of await pipeline.exec()) if (error) throw error;
  total = page.totalResults;
  at += page.vulnerabilities.length;
}
const ms = performance.now() - started;
process.stdout.write(JSON.stringify({ ms, records: await redis.dbsize() }));
redis.disconnect();
