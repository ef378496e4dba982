// A process that replays dead letters and kills itself, by SIGKILL, before or after its nth Redis command. Built code,
// real engine. argv: JSON {url, settings}; says {"ready"} and takes {"phase","nth"} from stdin, then replays; prints the
// names of its commands when it lives on.
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { silentLogger } from "../../dist/core/logger.js";
import { openEngine } from "../../dist/engine.js";
import { cve } from "../../dist/providers/cve/cve.js";
import { connectRedis } from "../../dist/redis/connect.js";

const { url, settings } = JSON.parse(process.argv[2]);
const redis = await connectRedis({ url });
const engine = await openEngine({ settings, redis, logger: silentLogger(), providers: [cve] });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ ready: true });
const [line] = await new Promise((resolve) => {
  const lines = createInterface({ input: process.stdin });
  lines.once("line", (text) => resolve([text]));
  lines.once("close", () => process.exit(0));
});
const { phase, nth } = JSON.parse(line);

// Every command of every client goes through here, scripts and BullMQ's own included.
const send = Redis.prototype.sendCommand;
const names = [];
const die = () => process.kill(process.pid, "SIGKILL");
Redis.prototype.sendCommand = function (command, stream) {
  const mine = names.push(command.name.toLowerCase()) === nth;
  if (mine && phase === "before") die();
  const answer = send.call(this, command, stream);
  // When the answer is there, the command has done what it does; nothing that waits for it has gone on yet.
  if (mine && phase === "after") command.promise.then(die, die);
  return answer;
};
await engine.deadLetters.replay({}, { actor: "ann" });
Redis.prototype.sendCommand = send;
say({ names });
await engine.close();
await redis.close();
process.exit(0);
