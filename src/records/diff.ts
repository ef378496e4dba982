/** Which top-level fields of a record differ from the stored ones, and what must be written for it. Pure. */
import { canonicalJson } from "../core/json.ts";
import { decodeField, hashField, type RecordHead } from "./codec.ts";
import { DIGEST_VERSION, fieldDigest } from "./digest.ts";

/** A field as it comes: small ones by canonical text, large ones by digest. */
export type IncomingField =
  | { readonly name: string; readonly text: string; readonly digest?: undefined }
  | { readonly name: string; readonly text?: undefined; readonly digest: string };

export interface FieldDiff {
  /** Names added, changed or removed, sorted. */
  readonly changed: string[];
  /** Large fields to write. */
  readonly write: ReadonlySet<string>;
  /** Large fields stored that are to go: removed, or small enough for the head now. */
  readonly drop: string[];
}

const digestOfText = (text: string): string => fieldDigest(Buffer.from(text));

export function diffFields(
  head: Pick<RecordHead, "small" | "large">,
  incoming: readonly IncomingField[],
): FieldDiff {
  const changed: string[] = [];
  const write = new Set<string>();
  const names = new Set<string>();
  for (const field of incoming) {
    names.add(field.name);
    const storedDigest = head.large.get(field.name);
    const storedText =
      storedDigest === undefined && Object.hasOwn(head.small, field.name)
        ? canonicalJson(head.small[field.name])
        : undefined;
    let same: boolean;
    if (field.text !== undefined) {
      same =
        storedText === field.text ||
        (storedDigest !== undefined && storedDigest === digestOfText(field.text));
    } else {
      same =
        storedDigest === field.digest ||
        (storedText !== undefined && digestOfText(storedText) === field.digest);
      if (storedDigest !== field.digest) write.add(field.name);
    }
    if (!same) changed.push(field.name);
  }
  for (const name of Object.keys(head.small)) if (!names.has(name)) changed.push(name);
  for (const name of head.large.keys()) if (!names.has(name)) changed.push(name);
  const largeNow = new Set(incoming.filter((field) => field.digest !== undefined).map((field) => field.name));
  const drop = [...head.large.keys()].filter((name) => !largeNow.has(name));
  return { changed: changed.sort(), write, drop };
}

/**
 * A head whose digests were computed by another algorithm, with digests of this one: computed from the stored content,
 * so that a new algorithm changes no record in anybody's eyes.
 */
export function withCurrentDigests(id: string, head: RecordHead, hash: Record<string, Buffer>): RecordHead {
  if (head.digestVersion === DIGEST_VERSION) return head;
  const large = new Map<string, string>();
  for (const name of head.large.keys()) {
    large.set(name, digestOfText(canonicalJson(JSON.parse(decodeField(id, name, hash[hashField(name)])))));
  }
  return { ...head, digestVersion: DIGEST_VERSION, large };
}
