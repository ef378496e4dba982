/** Law 6: machines take legal transitions only, one after the other, each logged; by their tables, and by nothing else. */
import { breakerMachine } from "../../../src/machines/breakerMachine.ts";
import { macroMachine } from "../../../src/machines/macroMachine.ts";
import { providerMachine } from "../../../src/machines/providerMachine.ts";
import type { LawMaker } from "./law.ts";

type Step = { to?: string; stays?: string; by?: string };
type Table = Readonly<Record<string, Readonly<Record<string, Step>>>>;

const machineOf = (machine: string): { initial: string; table: unknown } =>
  machine === "macro" ? macroMachine : machine.startsWith("breaker ") ? breakerMachine : providerMachine;

export const transitions: LawMaker = ({ model, facts }, { breach, looked }) => {
  /** What each machine's stream must hold, since the last time that a Redis may have forgotten some. */
  let kept = new Map<string, Record<string, string>[]>();
  /** The transition that the machine's own fields told of; its entry follows in the same script. */
  const told = new Map<string, { state: string; version: number }>();

  return {
    event(event) {
      if (event.k === "snapshot") {
        kept = new Map();
        told.clear();
        for (const [machine, at] of Object.entries(event.s.machines)) told.set(machine, at);
        for (const [name, at] of Object.entries(event.s.breakers)) told.set(`breaker ${name}`, at);
        return;
      }
      if (event.k !== "fx" || (event.e.fx !== "transition" && event.e.fx !== "breaker")) return;
      const { t } = event;
      const e =
        event.e.fx === "breaker"
          ? { machine: `breaker ${event.e.upstream}`, fields: event.e.fields }
          : event.e;
      const { old_state: from = "", new_state: to = "", trigger = "", version = "" } = e.fields;
      const what = `${e.machine} ${version}: ${from} → ${to} by ${trigger} of ${e.fields.actor}`;
      looked();
      const { initial, table } = machineOf(e.machine) as { initial: string; table: Table };
      const before = told.get(e.machine) ?? { state: initial, version: 0 };
      const step = table[from]?.[trigger];
      if (step?.to !== to) breach(`${what}: not in the table`, t);
      if (step?.by === "person" && e.fields.actor_kind !== "person") breach(`${what}: only a person may`, t);
      if (from !== before.state) breach(`${what}: it was ${before.state}`, t);
      if (Number(version) !== before.version + 1) breach(`${what}: after version ${before.version}`, t);
      told.set(e.machine, { state: to, version: Number(version) });
      kept.set(e.machine, [...(kept.get(e.machine) ?? []), e.fields]);
    },

    end() {
      for (const { p, f } of facts.finals("full")) {
        const own = kept.get(p) ?? [];
        const stream = f.transitions;
        looked();
        // What came after the final reading is not in it.
        const upTo = own.filter(({ version }) => Number(version) <= f.machine.version);
        for (const entry of upTo) {
          const found = stream.find(({ version }) => version === entry.version);
          if (stream.length < 900 && found?.new_state !== entry.new_state) {
            breach(
              `${p}: its history has lost version ${entry.version} (${entry.old_state} → ${entry.new_state})`,
            );
          }
        }
        const now = model.machines.get(p);
        if (now && now.version >= f.machine.version && now.version !== told.get(p)?.version) {
          breach(
            `${p}: the machine has version ${now.version}, its stream ends with ${told.get(p)?.version}`,
          );
        }
      }
    },
  };
};
