// A process that loads a bundle and kills itself, by SIGKILL, at a named place: after the nth record was staged, when the
// run has opened, or `before|after` the nth occurrence of a step. Built code, real engine.
// argv: JSON {url, settings, file, provider, step, phase, nth}
import { silentLogger } from "../../dist/core/logger.js";
import { openEngine } from "../../dist/engine.js";
import { Bundle } from "../../dist/outlets/bundle/bundle.js";
import { BundleLoad } from "../../dist/outlets/bundle/load.js";
import { connectRedis } from "../../dist/redis/connect.js";

const plan = JSON.parse(process.argv[2]);
let met = 0;
const meet = (step, phase) => {
  if (step === plan.step && phase === plan.phase && ++met === plan.nth) process.kill(process.pid, "SIGKILL");
};
const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({ settings: plan.settings, redis, logger: silentLogger(), onStep: meet });
const { signal } = new AbortController();
const staging = {
  ...engine,
  prepareRun: (request, records, how) =>
    engine.prepareRun(
      request,
      async function* () {
        for await (const record of records()) {
          yield record;
          meet("stage", "after");
        }
      },
      how,
    ),
};
const bundle = await Bundle.open(plan.file);
const options = { older: false, allowShrink: false, signal, say: () => undefined };
const loading = new BundleLoad({ engine: staging, bundle, providers: [plan.provider], ...options });
await loading.prepare();
meet("open", "before");
const { runId } = await loading.open(plan.provider);
meet("open", "after");
const worker = await engine.startWorker();
const run = await engine.waitForRun(plan.provider, runId, { pollMs: 20 });
await worker.stop();
await engine.close();
await redis.close();
process.stdout.write(JSON.stringify(run));
