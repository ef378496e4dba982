import { isUeeError, UeeError } from "../../core/errors.ts";
import type { Trace, TraceEdge, TraceNode } from "../../engine/api.ts";
import { parseLimit } from "../arguments.ts";
import { answer, command, jsonOption, type Look, limitOption } from "../command.ts";
import { formatCount, oneLine } from "../render/text.ts";
import { whyNotFound } from "./get.ts";

export const trace = command({
  name: "trace",
  summary: "print the graph around a record: CVE, CWE, CAPEC, ATT&CK, KEV, EPSS",
  description:
    "Prints what a record names (→) and which records name it (←), step by step into the other catalogues. Each record " +
    "is expanded once; of the records that name one, the first of each provider are shown.",
  arguments: { "<id|urn>": "an id, a URN, or an ATT&CK id" },
  options: {
    ...limitOption(10),
    "--after <id>": "of the records that name it, those after this id: the next page",
    ...jsonOption,
  },
  examples: [
    "uee trace CVE-2021-44228",
    "uee trace T1190 --limit 50",
    "uee trace CWE-79 --limit 100 --after CVE-2011-0001",
    "uee trace CVE-2021-44228 --json | jq -r '.nodes[] | select(.provider == \"attack\") | .name'",
  ],
  async run(context, flags, [word]) {
    const options = {
      limit: parseLimit(flags.limit, 10, 1_000),
      ...(flags.after === undefined ? {} : { after: flags.after }),
    };
    const { incomplete } = await answer(
      context,
      flags,
      async (engine) => {
        const found = await engine.records.trace(word!, options).catch((error: unknown) => {
          if (isUeeError(error, "VAL_URN")) return undefined;
          throw error;
        });
        if (found === undefined) throw new UeeError("STOR_NOT_FOUND", await whyNotFound(engine, word!));
        return found;
      },
      toLines,
    );
    if (incomplete === undefined) return;
    const names = incomplete.join(", ");
    context.stderr.write(`The links of older records are still being indexed: ${names} may have more.\n`);
  },
});

/** A tree from the root: forwards what each record names, backwards what names it. */
function toLines({ root, nodes, edges, more }: Trace, { style }: Look): string[] {
  const byUrn = new Map(nodes.map((node) => [node.urn, node]));
  const lines: string[] = [];
  const expanded = new Set<string>();
  const nameOf = ({ id, name }: TraceNode): string =>
    `${style.bold(id)}  ${name === null ? style.dim("not in the mirror") : oneLine(name)}`;
  const branch = (urn: string, depth: number, ways: readonly ("→" | "←")[]): void => {
    if (expanded.has(urn)) return;
    expanded.add(urn);
    for (const way of ways) {
      const own = edges.filter((edge) => (way === "→" ? edge.from : edge.to) === urn);
      const endOf = (edge: TraceEdge): string => (way === "→" ? edge.to : edge.from);
      for (const edge of own) {
        const end = byUrn.get(endOf(edge))!;
        lines.push(`${"  ".repeat(depth)}${way} ${style.dim(edge.relation)}  ${nameOf(end)}`);
        branch(end.urn, depth + 1, [way]);
      }
    }
    const left = more[urn];
    if (left !== undefined) lines.push(`${"  ".repeat(depth)}  … and ${formatCount(left)} more`);
  };
  lines.push(nameOf(byUrn.get(root)!));
  branch(root, 1, ["→", "←"]);
  return lines;
}
