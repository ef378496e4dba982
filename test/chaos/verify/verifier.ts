/** The verifier: a pure function of a history. Each law by itself; nothing of the engine runs here but its tables. */
import type { HistoryEvent } from "../history.ts";
import type { Plan } from "../plan.ts";
import { replayCommand } from "../plan.ts";
import { enough } from "./enough.ts";
import { type Breach, type Court, Facts, type LawMaker } from "./law.ts";
import { nothingLost } from "./law01NothingLost.ts";
import { nothingStale } from "./law02NothingStale.ts";
import { checkpoints } from "./law03Checkpoints.ts";
import { permits } from "./law04Permits.ts";
import { accounted } from "./law05Accounted.ts";
import { transitions } from "./law06Transitions.ts";
import { limits } from "./law07Limits.ts";
import { personsWord } from "./law08PersonsWord.ts";
import { secrets } from "./law09Secrets.ts";
import { onceEach } from "./law10OnceEach.ts";
import { Model } from "./model.ts";

/** By number; 0 is what makes the others worth anything. */
export const laws: readonly { title: string; make: LawMaker }[] = [
  { title: "the history is whole, and no process fell over", make: enough },
  { title: "nothing lost", make: nothingLost },
  { title: "nothing stale", make: nothingStale },
  { title: "no checkpoint passes an uncommitted record", make: checkpoints },
  { title: "permits are never over-granted", make: permits },
  { title: "every batch is accounted for", make: accounted },
  { title: "legal transitions only", make: transitions },
  { title: "the upstream's limits hold", make: limits },
  { title: "a person's pause and stop hold", make: personsWord },
  { title: "no secret leaves configuration", make: secrets },
  { title: "at least once, each effect counted once", make: onceEach },
];

export interface Verdict {
  breaches: Breach[];
  /** By law: how often something was held against it. */
  looked: number[];
}

export function verify(events: readonly HistoryEvent[]): Verdict {
  const begin = events.find((event) => event.k === "begin");
  const breaches: Breach[] = [];
  const looked = laws.map(() => 0);
  if (!begin) {
    return { breaches: [{ law: 0, at: undefined, what: "the history is empty" }], looked };
  }
  const model = new Model();
  const court: Court = { model, plan: begin.plan, events, begun: begin.t, facts: new Facts(events) };
  const sitting = laws.map(({ make }, law) =>
    make(court, {
      breach: (what, at) =>
        breaches.push({ law, at: at === undefined ? undefined : Math.round(at - begin.t), what }),
      looked: (times = 1) => {
        looked[law]! += times;
      },
    }),
  );
  for (const event of events) {
    for (const law of sitting) law.event?.(event);
    model.apply(event);
  }
  for (const law of sitting) law.end?.();
  for (const [law, times] of looked.entries()) {
    if (times === 0) breaches.push({ law, at: undefined, what: "nothing was held against this law" });
  }
  return { breaches, looked };
}

/** Named of a law. */
const NAMED = 6;

export function verdictLines(plan: Plan, { breaches, looked }: Verdict, historyPath: string): string[] {
  const lines = laws.flatMap(({ title }, law) => {
    const own = breaches.filter((breach) => breach.law === law);
    const name = law === 0 ? "      " : `law ${String(law).padStart(2)}`;
    const head = `${own.length === 0 ? "ok    " : "BREACH"} ${name}  ${title} (${looked[law]} looks)`;
    const shown = own
      .slice(0, NAMED)
      .map(({ at, what }) => `         ${at === undefined ? "" : `at ${(at / 1000).toFixed(2)} s: `}${what}`);
    return [head, ...shown, ...(own.length > NAMED ? [`         and ${own.length - NAMED} more`] : [])];
  });
  if (breaches.length === 0) return [...lines, `seed ${plan.seed}: no breach`];
  return [
    ...lines,
    `seed ${plan.seed}: ${breaches.length} breaches. Again: ${replayCommand(plan)}`,
    `History: ${historyPath} (verify it again: npm run chaos -- --check ${historyPath})`,
  ];
}
