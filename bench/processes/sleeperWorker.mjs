// A worker of the sleeping provider until it is killed; prints a line when it is ready and one at every step.
// argv: JSON { url, settings, sleeper }
import { writeSync } from "node:fs";
import { openEngine } from "../lib/openEngine.mjs";

// Written at once and completely, so that no line is lost by a kill.
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const { engine, close } = await openEngine(JSON.parse(process.argv[2]), {
  onStep: (step, phase, batch) => say({ step, phase, batch }),
});
const worker = await engine.startWorker();
say({ ready: worker.id });
process.once("SIGTERM", async () => {
  await worker.stop();
  await close();
  process.exit(0);
});
