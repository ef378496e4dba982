// One run of the sleeping provider. argv: JSON { url, settings, sleeper }
import { openEngine } from "../lib/openEngine.mjs";

const { runOnce } = await openEngine(JSON.parse(process.argv[2]));
const { state, durationMs, requests } = await runOnce("sleeper", 20);
process.stdout.write(JSON.stringify({ state, durationMs, requests }));
