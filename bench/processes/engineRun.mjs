// A full CVE load that times its own checkpoints. argv: JSON { url, settings }
import { openEngine } from "../lib/openEngine.mjs";

const began = new Map();
const spent = {};
const onStep = (step, phase, batch) => {
  const key = `${step} ${batch}`;
  if (phase === "before") began.set(key, performance.now());
  else spent[step] = (spent[step] ?? 0) + performance.now() - began.get(key);
};
const { runOnce } = await openEngine(JSON.parse(process.argv[2]), { onStep });
const { state, durationMs, batches } = await runOnce("cve", 50);
process.stdout.write(JSON.stringify({ state, durationMs, batches, spent }));
