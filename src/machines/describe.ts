/** Generates docs/state-machines.md from the tables. */
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

/** `origin`: v2e had this machine; its transitions and the additions are marked. */
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
      if (step === undefined || isMove(step)) return [];
      const changes = step.stays === "refreshes" ? "reason and end of the wait" : "nothing";
      return [[code(state), code(event), changes, step.why]];
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

/** The page, without the notice that it is generated. */
export function describeMachines(): string {
  const says = Object.entries(providerSays).map(([state, { active, held }]) => [
    code(state),
    active ? "yes" : "no",
    held === "keeps" ? "as before" : held,
  ]);
  const rules = Object.entries(macroRules).map(([state, { sees, event }]) => [
    code(state),
    {
      active: "a provider has a run in progress",
      held: "a provider is held up",
      well: "no provider is held up",
    }[sees],
    code(event),
  ]);
  return `# State machines

There are three machines: one for every provider, one for the fleet and one for every upstream's circuit breaker. Each is a
table in \`src/machines/\` (\`providerMachine.ts\`, \`macroMachine.ts\`, \`breakerMachine.ts\`). This page and the tables in the
Lua scripts are made from them.

- **Legal transitions only.** A request names an event; one script looks the event up under the stored state and moves the machine, or refuses. Any pod may ask. A caller that decided on the basis of what it read passes the version (\`expect\`); if the machine has moved meanwhile, the request has no effect and the caller reads again.
- **Every transition is logged** by the process that requested it (\`event: "fsm_transition"\`, for a breaker \`"breaker_transition"\`) and appended, in the same step, to the machine's history, which keeps the newest 1,000.
- **Times are Redis times.** A request gives the length of a wait; its end is computed from Redis \`TIME\`.
- **A request may contain several events**, applied all or none: \`wait_over, permits_granted\` by a batch that begins; \`resume, finish\` when no run is open, so that resuming ends in \`TERMINATED\` and the next run may open.

## The provider's machine

${chapters(providerMachine)}

## The macro machine

${chapters(macroMachine)}

### What moves it

A provider's transition is appended to that provider's outbox in the step that makes it. A pump, in any number of pods, applies the entries after the macro machine's cursor, on condition that the cursor has not moved: exactly once and in order, whichever pod dies in between. The macro machine keeps for every provider:

${table(["the provider's state", "has a run in progress", "is held up"], says)}

\`ACQUIRING\` does not change whether a provider counts as held up: after a wait it is healthy only when it gets a permit. Otherwise every unsuccessful attempt would move the fleet's state back and forth. After every event these rules are applied until none matches, so one event may move the machine twice (a provider that was paused before the fleet's first run counts as soon as that run begins):

${table(["in this state", "when", "follows"], rules)}

v2e entered \`STABILIZING\` when every provider had ended, and never left it. In a mirror that runs continuously this is the usual case and needs no action; an operator needs to know whether a provider is held up.

\`DRAINING\` is entered by the last worker that shuts down, never by a provider: runs stay open, and their transitions are still recorded while the fleet stops. A fleet that is killed does not drain: it keeps its state and continues from it. The worker registry, not this machine, says which workers are live.

## The breaker's machine

docs/breakers.md says what counts as a failure, how long a breaker stays open, and which process probes.

${chapters(breakerMachine, { origin: false })}
`;
}
