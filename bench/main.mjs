// Measures the promised speed and size of UEE beside a baseline. The table goes to stdout, progress to stderr.
//   npm run bench -- [--quick] [--only load,resync] [--pairs N] [--json FILE] [--docs] [--from FILE]
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { say } from "../scripts/lib/run.mjs";
import { figures } from "./figures/index.mjs";
import { load, machine } from "./lib/machine.mjs";
import { performanceDoc, resultsDir, root } from "./lib/places.mjs";
import { renderDoc, renderTable } from "./lib/report.mjs";

const usage = `Usage: npm run bench -- [flags]
  --quick           little data, one pair each, under a minute: do the benches work?
  --only a,b        only these figures
  --pairs N         pairs of baseline and engine (3; quick: 1)
  --json FILE       where the numbers go too; with --only, FILE's other figures stay
  --docs            write docs/performance.md
  --from FILE       measure nothing; show the numbers of FILE (for --docs)`;

function readFlags() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string" },
        pairs: { type: "string" },
        json: { type: "string" },
        docs: { type: "boolean", default: false },
        from: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    say(`${error.message}\n${usage}`);
    process.exit(2);
  }
}

const flags = readFlags();
if (flags.help) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
const wanted = flags.only?.split(",") ?? figures.map(({ name }) => name);
const unknown = wanted.filter((name) => !figures.some((figure) => figure.name === name));
const pairs = Number(flags.pairs ?? (flags.quick ? 1 : 3));
if (unknown.length > 0 || !(pairs >= 1)) {
  if (unknown.length > 0) say(`There is no figure ${unknown.join(", ")}.`);
  say(`${usage}\nFigures: ${figures.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const results = flags.from ? JSON.parse(readFileSync(flags.from, "utf8")) : await measure();
process.stdout.write(renderTable(results));
if (flags.docs) {
  if (results.quick) say("A quick run is not worth a page; docs/performance.md stays.");
  else writeFileSync(performanceDoc, renderDoc(results));
}
const missed = Object.values(results.figures).flatMap(({ rows }) => rows.filter(({ met }) => met === false));
if (missed.length > 0 && !results.quick) say(`${missed.length} of the goals are not met.`);

async function measure() {
  const started = performance.now();
  const file = flags.json && resolve(process.env.INIT_CWD ?? root, flags.json);
  const earlier =
    file && flags.only && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).figures : {};
  const measured = { ...earlier };
  if (load() > 1.5 && !flags.quick) {
    say(`The machine is busy (load ${load().toFixed(1)}): the figures will show it.`);
  }
  const date = new Date().toISOString();
  const own = join(resultsDir, `${date.replaceAll(":", "-")}.json`);
  let done;
  for (const figure of figures) {
    if (!wanted.includes(figure.name)) continue;
    const taken = { date: new Date().toISOString(), loadBefore: load(), priority: getPriority() };
    const { rows, data } = await figure.run({ quick: flags.quick, pairs, say });
    measured[figure.name] = { ...taken, method: figure.method, rows, data };
    done = {
      date,
      command: ["npm run bench --", ...process.argv.slice(2)].join(" "),
      quick: flags.quick,
      pairs,
      durationMs: performance.now() - started,
      machine: machine(),
      figures: inOrder(measured),
    };
    // After each figure: an early end loses only the one in progress.
    for (const path of [own, file].filter(Boolean)) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${JSON.stringify(done, null, 2)}\n`);
    }
  }
  say(`Numbers: ${own}`);
  return done;
}

function inOrder(measured) {
  return Object.fromEntries(figures.flatMap(({ name }) => (measured[name] ? [[name, measured[name]]] : [])));
}
