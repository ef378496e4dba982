/** docs/state-machines.md, made from the tables. */
import { breakerMachine } from "./breakerMachine.ts";
import { eventsOf, isMove, type Machine, movesOf, statesOf, stepOf } from "./defineMachine.ts";
import { macroMachine, macroRules, providerSays } from "./macroMachine.ts";
import { providerMachine } from "./providerMachine.ts";

const code = (text: string): string => `\`${text}\``;
const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");

function diagram<State extends string, Event extends string>(machine: Machine<State, Event>): string {
  const labels = new Map<string, Event[]>();
  for (const { from, event, to } of movesOf(machine)) {
    const arrow = `${from} --> ${to}`;
    labels.set(arrow, [...(labels.get(arrow) ?? []), event]);
  }
  const lines = [...labels].map(([arrow, events]) => `  ${arrow}: ${events.join(", ")}`);
  return ["```mermaid", "stateDiagram-v2", `  [*] --> ${machine.initial}`, ...lines, "```"].join("\n");
}

/** `origin`: v2e had this machine; its transitions and ours are told apart. */
function chapters<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  { origin = true } = {},
): string {
  const moves = movesOf(machine).map(({ from, event, to, by, again, guard, v2e, why }) => [
    code(from),
    `${code(event)}${by === "person" ? " by a person" : ""}${guard === "until" ? " once the wait is over" : ""}`,
    `${code(to)}${again ? `, and ${code(event)} again` : ""}`,
    ...(origin ? [v2e ? "v2e" : "**added**"] : []),
    why,
  ]);
  const stays = statesOf(machine).flatMap((state) =>
    eventsOf(machine).flatMap((event) => {
      const step = stepOf(machine, state, event);
      return step === undefined || isMove(step)
        ? []
        : [
            [
              code(state),
              code(event),
              step.stays === "refreshes" ? "reason and end of the wait" : "nothing",
              step.why,
            ],
          ];
    }),
  );
  return `${diagram(machine)}

${table(
  ["state", "means"],
  statesOf(machine).map((state) => [code(state), machine.states[state]]),
)}

${table(
  ["event", "is asked for when"],
  eventsOf(machine).map((event) => [code(event), machine.events[event]]),
)}

### Transitions

${table(["from", "event", "to", ...(origin ? ["origin"] : []), "why"], moves)}

### Legal without a transition

${table(["state", "event", "changes", "why"], stays)}

Every other pair of state and event is refused with \`PROV_ILLEGAL_TRANSITION\`.`;
}

/** The page, without the note that it is generated. */
export function describeMachines(): string {
  const says = Object.entries(providerSays).map(([state, { active, held }]) => [
    code(state),
    active ? "yes" : "no",
    held === "keeps" ? "as before" : held,
  ]);
  const rules = Object.entries(macroRules).map(([state, { sees, event }]) => [
    code(state),
    { active: "a provider has a run at work", held: "a provider is held up", well: "no provider is held up" }[
      sees
    ],
    code(event),
  ]);
  return `# State machines

Three machines, all of them tables: one for every provider, one for the fleet, one for every upstream's circuit breaker. What
follows is generated from \`providerMachine.ts\`, \`macroMachine.ts\` and \`breakerMachine.ts\` in \`src/machines/\`; so are the
tables by which the scripts in Redis judge.

- **Legal transitions only.** A request names an event; one script looks the event up under the stored state and moves the machine, or refuses. It does not matter which pod asks. Whoever decided on what it read says so (\`expect\`), loses when the machine moved meanwhile, and reads again.
- **Every transition is logged** by the process that asked (\`event: "fsm_transition"\`, of a breaker \`"breaker_transition"\`) and kept, in the same step, in the machine's history: the newest 1,000, read newest first.
- **Times are Redis' times.** A wait is given as a length; its end is reckoned by Redis \`TIME\`.
- **Several events may be asked for at once**, all or none: \`wait_over, permits_granted\` by a batch that goes to work; \`resume, finish\` where no run is open, so that resuming ends in \`TERMINATED\` and the next run may open.

## The provider's machine

${chapters(providerMachine)}

## The macro machine

${chapters(macroMachine)}

### What moves it

A provider's transition is appended to that provider's outbox in the step that makes it. A pump, in any number of pods, applies what lies behind the cursor that the macro machine keeps, on condition that the cursor has not moved: exactly once, in order, whichever pod dies in between. The macro machine remembers of every provider:

${table(["the provider's state", "has a run at work", "is held up"], says)}

\`ACQUIRING\` says nothing about being held up: a provider that asks for a permit after a wait is well only when it gets one. Otherwise every unsuccessful try would move the fleet's state there and back. After every event these rules are asked until none applies, so one event may move the machine twice (a provider that is paused before the fleet's first run counts as soon as that run begins):

${table(["in this state", "when", "follows"], rules)}

v2e went to \`STABILIZING\` when every provider had ended, and never back. In a mirror that runs for ever all providers having ended is the usual case and nothing to act on; what somebody who looks at the fleet must know is whether anyone is held up.

\`DRAINING\` is entered by the last worker that shuts down, never by a provider: runs stay open, and their transitions are still remembered while the fleet leaves. A fleet that is killed does not drain; it is found in the state it was in, and goes on from there. Whether workers live is the register of workers' to tell, not this machine's.

## The breaker's machine

What counts as a failure, how long it stays open, and who probes: docs/breakers.md.

${chapters(breakerMachine, { origin: false })}
`;
}
