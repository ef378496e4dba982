// The cost of chaos: hunts with production waits; how much work was done twice, and whether a process asked an
// upstream during a wait.
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../lib/places.mjs";
import { runNode } from "../lib/processes.mjs";
import { atMostRow, statedRow, text } from "../lib/rows.mjs";
import { sum } from "../lib/statistics.mjs";

export const name = "chaos";
export const method =
  "hunts of a minute each (`npm run chaos -- --seed 4`, 8, 12, …: these wait as long as they are told), three workers; batches and records worked on under more than one fence are counted in what Redis did, requests by their arrival at the upstream.";

export async function run(bench) {
  const seeds = bench.quick ? [4] : [4, 8, 12, 16, 20];
  const minutes = bench.quick ? 0.25 : 1;
  const dir = await mkdtemp(join(tmpdir(), "uee-bench-chaos-"));
  const hunts = [];
  try {
    for (const seed of seeds) {
      const file = join(dir, `${seed}.json`);
      await runNode([
        join(root, "scripts/chaos.mjs"),
        ...["--seed", `${seed}`, "--minutes", `${minutes}`, "--json", file],
      ]);
      const [hunt] = JSON.parse(readFileSync(file, "utf8"));
      bench.say(
        `chaos ${seed}: ${hunt.figures.batches} batches, ${hunt.figures.batchesTwice} more than once`,
      );
      hunts.push(hunt);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  const total = (field) => sum(hunts.map(({ figures }) => figures[field]));
  return {
    data: { minutes, hunts },
    rows: [
      atMostRow({
        what: "requests sent while told to wait, under chaos",
        value: total("whileTold"),
        goal: 0,
        text: String,
        note: `${total("toldToWait")} answers told to wait, ${total("requests")} requests in ${seeds.length} hunts`,
      }),
      statedRow({
        what: "batches worked on more than once, under chaos",
        figure: text.percent(total("batchesTwice") / total("batches")),
        note: `${total("batchesTwice")} of ${total("batches")}; ${total("kills")} workers killed`,
      }),
      statedRow({
        what: "records committed or compared again, under chaos",
        figure: text.percent(total("recordsAgain") / total("records")),
        note: `${total("recordsAgain")} of ${total("records")}, each counted once in its run`,
      }),
    ],
  };
}
