/** A program that uses the local server once: prints {"started","pid"} and stays until its stdin closes; or {"code","message"}. */
import { once } from "node:events";
import { Redis } from "ioredis";
import { isUeeError } from "../../src/core/errors.ts";
import { localRedis } from "../../src/redis/local/localRedis.ts";

const { dataDir, supervisorCommand } = JSON.parse(process.argv[2]!) as {
  dataDir: string;
  supervisorCommand: [string, ...string[]];
};
try {
  const handle = await localRedis({ dataDir, supervisorCommand, idleMs: 60_000 });
  const redis = new Redis({ path: handle.socket });
  await redis.incr("visits");
  const pid = Number(/process_id:(\d+)/.exec(await redis.info("server"))?.[1]);
  process.stdout.write(`${JSON.stringify({ started: handle.started, pid })}\n`);
  process.stdin.resume();
  await once(process.stdin, "end");
} catch (error) {
  if (!isUeeError(error)) throw error;
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.detail })}\n`);
}
process.exit(0);
