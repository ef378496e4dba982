import { isObject } from "../../core/json.ts";

/** `CWE-79` and `CAPEC-66`: identities that are a prefix and the entry's `ID`. */
export interface NumberedIds {
  /** Of an entry whose ID is text (XML) or text or a number (JSON). */
  identify(raw: unknown): string | undefined;
  /** Of what a person writes: `cwe-079` → `CWE-79`. */
  normalizeId(text: string): string | undefined;
  /** `79` and `CWE79` → `CWE-79`. */
  nearIds(text: string): string[];
}

export function numberedIds(prefix: string): NumberedIds {
  const written = new RegExp(`^${prefix}-0*([1-9]\\d{0,9})$`, "i");
  const near = new RegExp(`^(?:${prefix})?-*0*(\\d{1,6})$`);
  const withPrefix = (number: string | undefined): string | undefined =>
    number === undefined ? undefined : `${prefix}-${number}`;
  return {
    identify(raw) {
      const id = isObject(raw) ? raw.ID : undefined;
      if (typeof id !== "string" && typeof id !== "number") return undefined;
      return withPrefix(/^\s*0*([1-9]\d{0,9})\s*$/.exec(String(id))?.[1]);
    },
    normalizeId: (text) => withPrefix(written.exec(text.trim())?.[1]),
    nearIds: (text) => {
      const number = near.exec(text)?.[1];
      return number === undefined ? [] : [`${prefix}-${number}`];
    },
  };
}
