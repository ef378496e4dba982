// A process that runs one provider, or loads a bundle, and kills itself, by SIGKILL, at a named place: `before|after` the nth
// occurrence of a step. The load of a bundle has two more: "stage", after a record was staged, and "open", around the opening
// of its run. Built code, real engine. argv: JSON {url, provider, mode | file, settings, step, phase, nth}
import { silentLogger } from "../../dist/core/logger.js";
import { openEngine } from "../../dist/engine.js";
import { Bundle } from "../../dist/outlets/bundle/bundle.js";
import { BundleLoad } from "../../dist/outlets/bundle/load.js";
import { connectRedis } from "../../dist/redis/connect.js";

const plan = JSON.parse(process.argv[2]);
const { provider } = plan;
let met = 0;
const meet = (step, phase) => {
  if (step === plan.step && phase === plan.phase && ++met === plan.nth) process.kill(process.pid, "SIGKILL");
};
const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({ settings: plan.settings, redis, logger: silentLogger(), onStep: meet });

async function load() {
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
  const { signal } = new AbortController();
  const options = { older: false, allowShrink: false, signal, say: () => undefined };
  const bundle = await Bundle.open(plan.file);
  const loading = new BundleLoad({ engine: staging, bundle, providers: [provider], ...options });
  await loading.prepare();
  meet("open", "before");
  const opened = await loading.open(provider);
  meet("open", "after");
  return opened;
}

const { runId } = plan.file ? await load() : await engine.openRun({ provider, mode: plan.mode });
const worker = await engine.startWorker();
const run = await engine.waitForRun(provider, runId, { pollMs: 20 });
await worker.stop();
await engine.close();
await redis.close();
process.stdout.write(JSON.stringify(run));
