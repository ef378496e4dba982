/** The lists of a catalogue of MITRE: one element a kind, with the records of that kind. */
import { breakXml } from "../faults/badRecord.ts";
import type { BadKind } from "../types.ts";

/** `lists` names the element of each kind, in the order of the catalogue; `isBad` says which records are broken. */
export function xmlLists<Kind extends string>(
  lists: Readonly<Record<Kind, string>>,
  entries: readonly { kind: Kind; id: string; xml: string }[],
  isBad: ((id: string) => BadKind | undefined) | undefined,
): string {
  return (Object.entries(lists) as [Kind, string][])
    .map(([kind, list]) => {
      const elements = entries
        .filter((entry) => entry.kind === kind)
        .map(({ id, xml }) => {
          const bad = isBad?.(id);
          return bad ? breakXml(xml, bad) : xml;
        });
      return `<${list}>\n${elements.join("\n")}\n</${list}>\n`;
    })
    .join("");
}
