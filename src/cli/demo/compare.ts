/** Compares the mirror with the upstream, record by record, using the simulator's data. */
import { canonicalJson } from "../../core/json.ts";
import type { Engine } from "../../engine/api.ts";
import type { Simulator, Upstream } from "../../simulator/index.ts";

export interface Comparison {
  provider: string;
  records: number;
  /** Records whose content was compared too. */
  contents: number;
  /** Ids that exist on one side only, or whose content differs. */
  different: string[];
}

/** Both sides are sorted by id. XML sources have no JSON to compare with: there only the ids are compared. */
export async function compareWithUpstream(
  engine: Engine,
  simulator: Pick<Simulator, "content">,
  provider: Upstream,
): Promise<Comparison> {
  const different: string[] = [];
  const theirs = simulator.content(provider)[Symbol.iterator]();
  let their = theirs.next();
  let records = 0;
  let contents = 0;
  for await (const { id, data } of engine.records.export(provider, {})) {
    records++;
    while (!their.done && their.value.id < id) {
      different.push(their.value.id);
      their = theirs.next();
    }
    if (their.done || their.value.id > id) {
      different.push(id);
      continue;
    }
    const entry = their.value;
    if (entry.xml === undefined) {
      contents++;
      if (canonicalJson(entry.data) !== canonicalJson(data)) different.push(id);
    }
    their = theirs.next();
  }
  for (; !their.done; their = theirs.next()) different.push(their.value.id);
  return { provider, records, contents, different };
}
