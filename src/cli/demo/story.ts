/** The texts of the demo; pure functions of its figures. */
import type { ChangeEntry } from "../../records/contract.ts";
import type { ChangeReport } from "../../simulator/index.ts";
import { formatCount, formatDuration, plural } from "../render/numbers.ts";
import type { Style } from "../render/style.ts";
import type { Comparison } from "./compare.ts";

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
