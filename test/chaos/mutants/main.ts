/** `npm run chaos:mutants [-- --only text]`: every deliberate break must be caught. Exit codes: 0 all were, 1 one was not. */
import { parseArgs } from "node:util";
import { mutants } from "./catalogue.ts";
import { type Outcome, Workshop } from "./workshop.ts";

const { values } = parseArgs({
  options: { only: { type: "string" }, list: { type: "boolean", default: false } },
});
const wanted = mutants.filter(({ name }) => values.only === undefined || name.includes(values.only));
const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

if (values.list) {
  for (const { name, law } of wanted) process.stdout.write(`law ${law}  ${name}\n`);
  process.exit(0);
}
const workshop = new Workshop();
const outcomes: { name: string; law: number; outcome: Outcome }[] = [];
try {
  for (const mutant of wanted) {
    say(mutant.name);
    const outcome = await workshop
      .verify(mutant, say)
      .catch((error: unknown): Outcome => ({ caught: false, by: String(error), ms: 0 }));
    say(`  ${outcome.caught ? "caught" : "NOT CAUGHT"}: ${outcome.by}`);
    outcomes.push({ name: mutant.name, law: mutant.law, outcome });
  }
} finally {
  workshop.close();
}
const width = Math.max(...outcomes.map(({ name }) => name.length));
for (const { name, law, outcome } of outcomes) {
  const seconds = `${(outcome.ms / 1000).toFixed(0)} s`;
  process.stdout.write(
    `${outcome.caught ? "caught    " : "NOT CAUGHT"}  law ${String(law).padStart(2)}  ${name.padEnd(width)}  ${seconds.padStart(5)}  ${outcome.by}\n`,
  );
}
const missed = outcomes.filter(({ outcome }) => !outcome.caught).length;
process.stdout.write(`${outcomes.length - missed} of ${outcomes.length} mutants caught\n`);
process.exit(missed === 0 && outcomes.length > 0 ? 0 : 1);
