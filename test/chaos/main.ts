/** `npm run chaos`: hunts, verifies, and says how to hunt the same again. Exit codes: 0 no breach, 1 breaches, 2 wrong usage. */
import { rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readHistory } from "./history.ts";
import { hunt } from "./hunt.ts";
import { makePlan, modes, planLines, replayCommand } from "./plan.ts";
import { type Figures, figuresLine, figuresOf } from "./verify/figures.ts";
import { verdictLines, verify } from "./verify/verifier.ts";

const usage = `Usage: npm run chaos -- [flags]
  --seed S         what happens and when (1); a range such as 1-25 hunts them one after the other
  --minutes M      how long the fleet is disturbed (1); healing and the last runs come on top
  --mode MODE      single (a Redis that keeps its word), failover (a replica takes over), or cluster (three masters, whose
                   replicas take over)
  --workers N      worker processes (3)
  --plan           prints the plan and does nothing
  --keep           keeps the history of a hunt without a breach too
  --json FILE      what each seed cost, and how many breaches it had
  --check FILE     verifies a history again`;

function readFlags() {
  try {
    return parseArgs({
      options: {
        seed: { type: "string", default: "1" },
        minutes: { type: "string", default: "1" },
        mode: { type: "string", default: "single" },
        workers: { type: "string", default: "3" },
        plan: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        json: { type: "string" },
        check: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function wrong(what: string): never {
  process.stderr.write(`${what}\n${usage}\n`);
  process.exit(2);
}

function seedsOf(text: string): number[] {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? wrong(`'${text}' is no seed.`);
  const from = Number(first);
  const to = Number(last ?? first);
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

const say = (line: string): void => {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
};
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const whileTold = ({ breaches }: ReturnType<typeof verify>): number =>
  breaches.filter(({ law, what }) => law === 7 && what.includes("the wait that an answer had asked for"))
    .length;

async function main(): Promise<boolean> {
  const flags = readFlags();
  if (flags.help) {
    print(usage);
    return true;
  }
  if (flags.check !== undefined) {
    const events = await readHistory(flags.check);
    const begin = events.find((event) => event.k === "begin") ?? wrong(`${flags.check} is no history.`);
    const verdict = verify(events);
    print(figuresLine(figuresOf(events, whileTold(verdict))));
    for (const line of verdictLines(begin.plan, verdict, flags.check)) print(line);
    return verdict.breaches.length === 0;
  }
  const minutes = Number(flags.minutes);
  const workers = Number(flags.workers);
  if (!(minutes > 0)) wrong("--minutes is a number above 0.");
  if (!(workers >= 1)) wrong("--workers is a number from 1 on.");
  const mode = modes.find((one) => one === flags.mode) ?? wrong(`--mode is one of ${modes.join(", ")}.`);
  const failed: number[] = [];
  const results: { seed: number; breaches: number; figures: Figures }[] = [];
  const seeds = seedsOf(flags.seed);
  for (const seed of seeds) {
    const plan = makePlan({ seed, minutes, mode, workers });
    say(replayCommand(plan));
    for (const line of planLines(plan)) (flags.plan ? print : say)(line);
    if (flags.plan) continue;
    const { history, dir } = await hunt(plan, { say });
    const events = await readHistory(history);
    const verdict = verify(events);
    const figures = figuresOf(events, whileTold(verdict));
    results.push({ seed, breaches: verdict.breaches.length, figures });
    for (const line of [figuresLine(figures), ...verdictLines(plan, verdict, history)]) print(line);
    if (verdict.breaches.length > 0) failed.push(seed);
    else if (!flags.keep) rmSync(dir, { recursive: true, force: true });
  }
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(results)}\n`);
  if (seeds.length > 1 && !flags.plan) {
    print(
      `${seeds.length - failed.length} of ${seeds.length} seeds without a breach${failed.length > 0 ? `; with: ${failed.join(", ")}` : ""}`,
    );
  }
  return failed.length === 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exit((await main()) ? 0 : 1);
