/** Records of the formats: the shallow check of each (UEE does not interpret deeper content), and common forms of ids. */

import { z } from "zod";
import { type ErrorCode, UeeError } from "../../core/errors.ts";
import { canonicalJson, isObject, type JsonObject } from "../../core/json.ts";
import type { Link } from "../../core/links.ts";
import { sha256 } from "../../core/sha256.ts";

/** A table of names, written as one text. */
export const names = (text: string): string[] => text.trim().split(/\s+/);

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * The schema of a record whose declared lists are lists and declared objects are objects. Nulls pass, absent and unknown
 * fields pass, scalars are not looked at.
 */
export function recordShape(declared: {
  lists: readonly string[];
  objects: readonly string[];
  /** Texts that must be numbers where they are not null; for sources whose values are all texts, like CSV. */
  numbers?: readonly string[];
}): z.ZodType<JsonObject> {
  const shape: Record<string, z.ZodType> = {};
  for (const name of declared.lists) shape[name] = z.array(z.unknown()).nullish();
  for (const name of declared.objects) shape[name] = z.looseObject({}).nullish();
  for (const name of declared.numbers ?? []) shape[name] = z.string().regex(NUMBER, "not a number").nullish();
  return z.looseObject(shape);
}

/**
 * The record itself (never zod's copy) and its id. Throws VAL_RECORD_SHAPE, VAL_RECORD_ID or VAL_RECORD_FIELD naming
 * the field.
 */
export function checkRecord(
  raw: unknown,
  schema: z.ZodType<JsonObject>,
  identify: (raw: unknown) => string | undefined,
): { id: string; data: JsonObject } {
  if (!isObject(raw)) throw bad("VAL_RECORD_SHAPE", `The record is ${nameOf(raw)}, not an object.`);
  const id = identify(raw);
  if (id === undefined) throw bad("VAL_RECORD_ID", "The record has no valid id.");
  const checked = schema.safeParse(raw);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    const field = issue.path.map(String).join(".");
    const detail = `'${field}' of ${id} is not what it is declared to be (${issue.message}).`;
    throw bad("VAL_RECORD_FIELD", detail, { id, field });
  }
  return { id, data: raw };
}

const bad = (code: ErrorCode, detail: string, data?: Record<string, unknown>): UeeError =>
  new UeeError(code, detail, { data });

function nameOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

const CVE_ID = /^CVE-\d{4}-\d{4,19}$/;

/** Identities that are CVE ids, for sources whose records are about CVEs. `field` is the member that holds the id. */
export const cveIds = (field: string) => ({
  identify(raw: unknown): string | undefined {
    const id = isObject(raw) ? raw[field] : undefined;
    return typeof id === "string" && CVE_ID.test(id) ? id : undefined;
  },
  /** `cve-2021-44228` → `CVE-2021-44228`. */
  normalizeId(text: string): string | undefined {
    const id = text.trim().toUpperCase();
    return CVE_ID.test(id) ? id : undefined;
  },
});

/**
 * Identities of records that have none: a digest of the fields that tell one record from another. A record without one of
 * them is bad; records that are equal in all of them are one.
 */
export const derivedIds = (...fields: readonly [string, ...string[]]) => ({
  identify(raw: unknown): string | undefined {
    if (!isObject(raw) || fields.some((name) => raw[name] === undefined || raw[name] === null))
      return undefined;
    return sha256(canonicalJson(fields.map((name) => raw[name]))).slice(0, 32);
  },
  normalizeId(text: string): string | undefined {
    const id = text.trim().toLowerCase();
    return /^[0-9a-f]{32}$/.test(id) ? id : undefined;
  },
});

/** `CWE-79` and `CAPEC-66`: identities that are a prefix and the entry's `ID`, which is text (XML) or a number (JSON). */
export function numberedIds(prefix: string) {
  const written = new RegExp(`^${prefix}-0*([1-9]\\d{0,9})$`, "i");
  const near = new RegExp(`^(?:${prefix})?-*0*(\\d{1,6})$`);
  const withPrefix = (number: string | undefined): string | undefined =>
    number === undefined ? undefined : `${prefix}-${number}`;
  return {
    identify(raw: unknown): string | undefined {
      const id = isObject(raw) ? raw.ID : undefined;
      if (typeof id !== "string" && typeof id !== "number") return undefined;
      return withPrefix(/^\s*0*([1-9]\d{0,9})\s*$/.exec(String(id))?.[1]);
    },
    /** `cwe-079` → `CWE-79`. */
    normalizeId: (text: string): string | undefined => withPrefix(written.exec(text.trim())?.[1]),
    /** `79` and `CWE79` → `CWE-79`. */
    nearIds: (text: string): string[] => [withPrefix(near.exec(text)?.[1]) ?? []].flat(),
  };
}

/**
 * The objects of a list, or of a list in a member of an object (XML groups), for records whose inner shape is not
 * checked; none where there is no such list.
 */
export function objectsIn(group: unknown, member?: string): JsonObject[] {
  const list = member === undefined ? group : isObject(group) ? group[member] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/** A text that is not empty. */
export const textIn = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined;

/** A link to a weakness: `CWE-79`, and verbatim what stands for none (`NVD-CWE-noinfo`). */
export function cweLink(value: unknown, relation: string): Link[] {
  const text = textIn(value)?.trim();
  if (text === undefined) return [];
  const number = /^CWE-0*(\d{1,10})$/i.exec(text)?.[1];
  return [{ provider: "cwe", id: number === undefined ? text : `CWE-${number}`, relation }];
}

/** `79` and `0079` → `CWE-79`; undefined where the value is no number. */
export function numberedId(prefix: string, value: unknown): string | undefined {
  const number = typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
  return /^\d{1,10}$/.test(number) ? `${prefix}-${Number(number)}` : undefined;
}
