/** The identity of a record: `v2e::<authority>::<type>::<id>`. The id is the last part, verbatim. */
export interface Urn {
  authority: string;
  type: string;
  id: string;
}

export const formatUrn = ({ authority, type, id }: Urn): string => `v2e::${authority}::${type}::${id}`;

/** Parses a URN; undefined when the text is none. Ids may contain `--` (STIX) but never `::`. */
export function parseUrn(text: string): Urn | undefined {
  const parts = text.split("::");
  if (parts.length !== 4 || parts[0] !== "v2e") return undefined;
  const [, authority, type, id] = parts;
  if (!authority || !type || !id) return undefined;
  return { authority, type, id };
}
