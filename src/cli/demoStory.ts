/** What the demo tells: its texts, and how the mirror compares with the simulator's data. */
import { canonicalJson } from "../core/json.ts";
import type { Engine } from "../engine/api.ts";
import type { ChangeEntry } from "../records/contract.ts";
import type { ChangeReport, Simulator, Upstream } from "../simulator/index.ts";
import { formatCount, formatDuration, plural, type Style } from "./render/text.ts";

/** One fault of each kind on the first requests, so that the demo always shows them. */
export const demoFaults = [
  "status-503#1:cve",
  "truncated#3:cve",
  "html-200#4:cve",
  "bad-zip#1:cwe",
  "truncated-xml#1:capec",
  "reset#1:attack",
  "truncated-chunked#3:attack",
] as const;

const kinds: Record<string, string> = {
  "status-503": "503",
  truncated: "body cut off",
  "html-200": "web page instead of data",
  "bad-zip": "broken zip",
  "truncated-xml": "XML cut off",
  reset: "connection reset",
  "truncated-chunked": "stream cut off",
};

export function faultLine(injected: Readonly<Record<string, number>>, style: Style): string {
  const entries = Object.entries(injected).filter(([, count]) => count > 0);
  const total = entries.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return "No answer was broken this time.";
  const named = entries.map(([name, count]) => `${kinds[name] ?? name}${count > 1 ? ` ×${count}` : ""}`);
  return `${style.yellow(`${plural(total, "answer")} broken on purpose`)} (${named.join(", ")}); each was noticed and asked for again.`;
}

export function comparisonLine(compared: readonly Comparison[], style: Style): string {
  const contents = compared.reduce((sum, one) => sum + one.contents, 0);
  const ids = compared.reduce((sum, one) => sum + one.records, 0) - contents;
  const different = compared.flatMap(({ provider, different: some }) =>
    some.map((id) => `${provider} ${id}`),
  );
  if (different.length === 0) {
    return `${style.green("Equal to the upstreams:")} ${formatCount(contents)} records compared field by field, ${formatCount(ids)} by id.`;
  }
  return style.red(
    `${plural(different.length, "record")} differ from the upstreams: ${different.slice(0, 5).join(", ")} …`,
  );
}

export function movedLine(reports: Readonly<Record<string, ChangeReport>>, style: Style): string {
  const sum = (field: keyof ChangeReport) =>
    Object.values(reports).reduce((total, report) => total + report[field].length, 0);
  const parts = [
    `${formatCount(sum("added"))} new`,
    `${formatCount(sum("modified"))} modified`,
    `${formatCount(sum("rejected"))} rejected`,
    `${formatCount(sum("silent"))} edited silently`,
    `${formatCount(sum("removed"))} removed`,
  ];
  return `Meanwhile the upstreams have moved: ${style.bold(parts.join(", "))}.`;
}

/** A change with its fields, as an example of the feed. */
export function changeLine(change: ChangeEntry | undefined, style: Style): string | undefined {
  if (!change) return undefined;
  return `For example ${style.bold(change.id)}: ${change.op}, fields ${change.fields.join(", ")}; nothing else of it was written.`;
}

export const closingLine = (totalMs: number, records: number): string =>
  `That was UEE in ${formatDuration(totalMs)}: ${formatCount(records)} records, three runs, nothing lost. Everything it started is stopped and removed.`;

interface Comparison {
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
