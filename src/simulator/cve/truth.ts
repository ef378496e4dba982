/** The true CVEs, record by record in plain string order of their ids; faults change nothing here. */
import type { BadKind, BadRecord, ContentEntry } from "../types.ts";
import type { CveCatalog } from "./catalog.ts";
import type { CveState } from "./state.ts";

export function* contentOf(catalog: CveCatalog, state: CveState): Generator<ContentEntry> {
  for (const { slot, id } of catalog.sorted(state)) {
    yield { id, data: JSON.parse(catalog.text(slot, state)) as unknown };
  }
}

export function* linesOf(catalog: CveCatalog, state: CveState): Generator<string> {
  for (const { slot, id } of catalog.sorted(state)) {
    // A text with line breaks between its tokens must not break the line.
    const data = catalog.text(slot, state).replace(/[\r\n]/g, " ");
    yield `{"id":${JSON.stringify(id)},"data":${data}}`;
  }
}

export function badRecordsOf(
  catalog: CveCatalog,
  state: CveState,
  isBad: ((id: string) => BadKind | undefined) | undefined,
): BadRecord[] {
  if (!isBad) return [];
  return catalog.sorted(state).flatMap(({ id }) => {
    const kind = isBad(id);
    return kind ? [{ id, kind }] : [];
  });
}
