// Value bytes written when a feed moves from one point in time to the next: by field diff, against writing every changed
// record whole (in the same layout, compressed alike), and against one JSON.stringify per top-level field.
import { feedPairs } from "../lib/feedPairs.mjs";
import { fromDist } from "../lib/places.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { text } from "../lib/rows.mjs";
import { sum } from "../lib/statistics.mjs";
import { openStore } from "../lib/store.mjs";

export const name = "diff";
export const method =
  "both points in time go through the provider's `transform` into the record store; the bytes of record content that it sends for the second are set against those of writing the changed records whole in the same (compressed) layout, and against one `JSON.stringify` per top-level field.";

const GOAL = 0.75;

export async function run(bench) {
  const { findProvider } = await fromDist("providers/registry.js");
  const pairs = [];
  for (const { provider: providerName, title, sides } of feedPairs(bench)) {
    const provider = findProvider(providerName);
    const [before, after] = (await sides()).map((raw) => onePerId(raw.map(provider.transform)));
    const measured = await withRedis(({ redis }) => measure(redis, provider, before, after));
    pairs.push({ provider: providerName, title, ...measured });
    bench.say(`diff: ${title}: ${measured.updated} changed`);
  }
  return {
    data: { pairs },
    rows: pairs.map((pair) => ({
      what: `value bytes written, field diff against rewrite: ${pair.title}`,
      figure: `${text.percent(pair.savedOfPlain)} fewer`,
      // The goal applies to CVE; the others are reported.
      goal: pair.provider === "cve" ? `≥ ${text.percent(GOAL, 0)} fewer` : "stated",
      met: pair.provider === "cve" ? pair.savedOfPlain >= GOAL : null,
      note:
        `${pair.updated} of ${pair.common} records changed: ${mb(pair.diffBytes)} written instead of ` +
        `${mb(pair.plainBytes)} as the bare loop would rewrite them; a rewrite in the engine's own compressed layout ` +
        `would be ${mb(pair.rewriteBytes)} (${text.percent(pair.saved)} fewer)`,
    })),
  };
}

const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

async function measure(redis, provider, before, after) {
  const earlier = new Map(before.map((record) => [record.id, record]));
  const common = after.filter((record) => earlier.has(record.id));
  const store = await openStore(redis, provider);
  await store.commit(before, 1);
  const diff = await store.commit(common, 2);
  const { canonicalJson } = await fromDist("core/json.js");
  const changed = common.filter(
    ({ id, data }) => canonicalJson(data) !== canonicalJson(earlier.get(id).data),
  );
  const rewrite = await (await openStore(redis, provider)).commit(changed, 1);
  const plainBytes = sum(changed.map(({ data }) => sum(Object.values(data).map(jsonBytes))));
  return {
    common: common.length,
    updated: diff.updated,
    diffBytes: diff.bytesWritten,
    rewriteBytes: rewrite.bytesWritten,
    plainBytes,
    saved: 1 - diff.bytesWritten / rewrite.bytesWritten,
    savedOfPlain: 1 - diff.bytesWritten / plainBytes,
  };
}

const jsonBytes = (value) => Buffer.byteLength(JSON.stringify(value));

/** The last of several copies. */
const onePerId = (records) => [...new Map(records.map((record) => [record.id, record])).values()];
