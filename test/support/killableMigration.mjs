// A process that migrates one provider's records and kills itself, by SIGKILL, when it has sent its nth command to Redis: the
// command is done and its answer is never read. Built code. argv: JSON {url, prefix, provider, nth}
import { Redis } from "ioredis";
import { makeProviderRecords } from "../../dist/records/index.js";
import { makeKeys } from "../../dist/redis/keys.js";

const { url, prefix, provider, nth } = JSON.parse(process.argv[2]);
const redis = new Redis(url);
await redis.ping();
const send = redis.sendCommand.bind(redis);
let sent = 0;
redis.sendCommand = (...args) => {
  const answer = send(...args);
  if (++sent === nth) redis.stream.write("", () => process.kill(process.pid, "SIGKILL"));
  return answer;
};
const keys = makeKeys(prefix).provider(provider.name);
const records = makeProviderRecords({ redis, keys, provider, changesLimit: 1000 });
for await (const _step of records.migrate((id, error) => process.stderr.write(`${id}: ${error.message}\n`))) {
  // to the end
}
process.stdout.write(String(sent));
redis.disconnect();
