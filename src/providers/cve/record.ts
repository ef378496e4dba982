import { z } from "zod";
import { UeeError } from "../../core/errors.ts";
import { isObject, type JsonObject } from "../../core/json.ts";
import type { Link, TransformedRecord } from "../contract.ts";
import { cweLink, objectsIn, textIn } from "../formats/records.ts";

const ID = /^CVE-\d{4}-\d{4,19}$/;

const list = z.array(z.unknown()).nullish();

const lists = {
  cveTags: list,
  descriptions: list,
  references: list,
  weaknesses: list,
  configurations: list,
  vendorComments: list,
  affected: list,
};

/** Shallow on purpose: lists and objects that NVD declares; scalars may be null, unknown fields pass through. */
export const cveRecord = z.looseObject({
  id: z.string().regex(ID),
  ...lists,
  metrics: z.looseObject({}).nullish(),
});

const listNames = Object.keys(lists);

/** The same as `cveRecord` for a record with an id: the schema copies what it checks. */
const fits = (raw: JsonObject): boolean =>
  listNames.every((name) => (raw[name] ?? null) === null || Array.isArray(raw[name])) &&
  ((raw.metrics ?? null) === null || isObject(raw.metrics));

export const identify = (raw: unknown): string | undefined =>
  isObject(raw) && typeof raw.id === "string" && ID.test(raw.id) ? raw.id : undefined;

export function transform(raw: unknown): TransformedRecord {
  if (!isObject(raw)) {
    throw new UeeError("VAL_RECORD_SHAPE", "The record is not an object.");
  }
  const id = identify(raw);
  if (id === undefined) {
    throw new UeeError(
      "VAL_RECORD_ID",
      raw.id === undefined
        ? "The record has no id."
        : `The record has no valid id (${JSON.stringify(raw.id).slice(0, 60)}).`,
    );
  }
  if (!fits(raw)) {
    const issue = cveRecord.safeParse(raw).error!.issues[0]!;
    throw new UeeError("VAL_RECORD_FIELD", `${id}: ${issue.path.join(".")}: ${issue.message}`, {
      data: { field: issue.path.join(".") },
    });
  }
  return {
    id,
    lastModified: typeof raw.lastModified === "string" ? raw.lastModified : null,
    aliases: [],
    data: raw as JsonObject,
  };
}

/** The weakness of every entry of `weaknesses`; whether NVD holds it for the primary one is in the relation. */
export const links = (data: JsonObject): Link[] =>
  objectsIn(data.weaknesses).flatMap(({ type, description }) => {
    const kind = textIn(type)?.toLowerCase();
    const relation = kind === undefined ? "weakness" : `${kind}-weakness`;
    return objectsIn(description).flatMap(({ value }) => cweLink(value, relation));
  });

const LABEL_LENGTH = 120;

/** A CVE has no name: CISA's where it has given one, else how its description begins. */
export function label(data: JsonObject): string | undefined {
  const named = textIn(data.cisaVulnerabilityName);
  if (named !== undefined) return named;
  const texts = objectsIn(data.descriptions);
  const text = textIn((texts.find(({ lang }) => lang === "en") ?? texts[0])?.value)
    ?.replace(/\s+/g, " ")
    .trim();
  return text === undefined || text.length <= LABEL_LENGTH
    ? text
    : `${text.slice(0, LABEL_LENGTH - 1).trimEnd()}…`;
}
