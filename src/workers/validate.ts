/**
 * Validates what was fetched, record by record: a record is transformed, or set aside as bad. The bounds of core/bounds.ts are
 * checked here and nowhere else, before anything of a record is committed, so that the store and its readers rely on them.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { bounds } from "../core/bounds.ts";
import { toUeeError, UeeError } from "../core/errors.ts";
import { canonicalJson, type JsonObject, jsonText } from "../core/json.ts";
import { linksOf } from "../core/links.ts";
import { MODEST, refusalOf, type SourceFacts, SourceText, tooLarge } from "../core/sourceText.ts";
import { parseTime } from "../core/time.ts";
import type { AnyProvider, TransformedRecord } from "../providers/contract.ts";
import type { IncomingRecord } from "../records/contract.ts";
import { type BadRecord, deadLetterId } from "../recovery/deadLetters/badRecords.ts";
import type { ProviderContext } from "./context.ts";

export interface Validated {
  good: IncomingRecord[];
  bad: BadRecord[];
}

/** Redis would hold U+FFFD for it, which is another id. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Validation yields to the event loop after this time, ms, so that requests, lock renewals and heartbeats are not delayed. */
const SLICE_MS = 8;

/** A raw record, and the index entry that the store has read for this id. */
export interface Received {
  readonly item: unknown;
  readonly found?: { readonly id: string; readonly entry: string };
}

/** Validates every raw record: good ones are transformed, a bad one is set aside alone. */
export async function validateRecords(
  context: ProviderContext,
  received: readonly Received[],
  fetchedAt: number,
  signal: AbortSignal,
): Promise<Validated> {
  const good: IncomingRecord[] = [];
  const bad: BadRecord[] = [];
  let pauseAt = performance.now() + SLICE_MS;
  for (const { item, found } of received) {
    if (performance.now() > pauseAt) {
      await nextTurn();
      signal.throwIfAborted();
      pauseAt = performance.now() + SLICE_MS;
    }
    const record = validateRecord(context.provider, item);
    if (record instanceof UeeError) bad.push(badRecord(context.provider, item, record, fetchedAt));
    else {
      const { id, lastModified, aliases, data, text } = record;
      const links = linksOf(context.provider, data);
      const known = found?.id === id ? { entry: found.entry } : {};
      good.push({ id, lastModified, aliases, data: text ?? data, links, fetchedAt, ...known });
    }
  }
  return { good, bad };
}

interface ValidRecord extends TransformedRecord {
  /** The source's text where it is the record, which is then not held as a value: a page of values is ten times as large. */
  readonly text: Buffer | undefined;
}

/** The record, or why it is bad. Throws what is a fault of the provider's. */
export function validateRecord(provider: AnyProvider, item: unknown): ValidRecord | UeeError {
  const source = item instanceof SourceText ? item : undefined;
  const unmeasured = source && !source.isMeasured ? source.parse() : undefined;
  const modest = unmeasured !== undefined && isModest(unmeasured, bounds.record.depth);
  const facts = modest ? MODEST : (source?.facts ?? measure(item));
  const refusal = source && !modest ? source.refusal : refusalOf(facts);
  if (refusal) return new UeeError(refusal.code, refusal.message);
  const value = unmeasured ?? (source ? source.parse() : item);
  try {
    const record = provider.transform(value);
    // What a provider makes of a value may be larger than the value.
    const made = record.data === value ? facts : measure(record.data);
    checkBounds(record, made);
    const { id, lastModified, aliases, data } = record;
    // Rows are stored as their values.
    const text = data === value && provider.columns === undefined ? source?.bytes : undefined;
    return { id, lastModified, aliases, data, text };
  } catch (thrown) {
    // What a schema refuses is a bad record as well; anything else is a fault of the provider's.
    const error = toUeeError(thrown);
    if (!(thrown instanceof UeeError) && error.code !== "VAL_SCHEMA") throw thrown;
    return error;
  }
}

/** @throws UeeError VAL_RECORD_ID, VAL_RECORD_TOO_LARGE, VAL_RECORD_DEPTH, VAL_RECORD_NUMBER */
function checkBounds({ id, aliases, data }: TransformedRecord, facts: SourceFacts): void {
  const { record } = bounds;
  const refuse = (message: string): never => {
    const { code } = tooLarge(message);
    throw new UeeError(code, message);
  };
  const refusal = refusalOf(facts);
  if (refusal) throw new UeeError(refusal.code, refusal.message);
  if (id === "" || id.length > record.idLength || LONE_SURROGATE.test(id) || id.includes("::")) {
    throw new UeeError("VAL_RECORD_ID", `The record's id is no part of a URN (${id.length} characters).`);
  }
  const names = Object.keys(data);
  if (names.length > record.fields) refuse(`${id} has ${names.length} fields, more than ${record.fields}.`);
  for (const name of names) {
    if (name.length > record.nameLength) {
      refuse(`A field's name of ${id} has ${name.length} characters, more than ${record.nameLength}.`);
    }
  }
  if (aliases.length > record.aliases)
    refuse(`${id} has ${aliases.length} aliases, more than ${record.aliases}.`);
  for (const { length } of aliases) {
    if (length > record.aliasLength) {
      refuse(`An alias of ${id} has ${length} characters, more than ${record.aliasLength}.`);
    }
  }
  if (facts.largeNumber && !measure(data).finite) {
    throw new UeeError(
      "VAL_RECORD_NUMBER",
      `A number of ${id} is too large to be held: it would be stored as null.`,
    );
  }
}

/** No more than `levels` deep, and each number is one. Its text was short enough for the other bounds. */
function isModest(value: unknown, levels: number): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  if (Array.isArray(value)) {
    for (const one of value) if (!isModest(one, levels - 1)) return false;
    return true;
  }
  for (const name in value) if (!isModest((value as JsonObject)[name], levels - 1)) return false;
  return true;
}

/** A value measured as its text would be; without recursion. */
function measure(value: unknown): SourceFacts & { finite: boolean } {
  const facts = { size: 0, depth: 0, values: 0, largeNumber: false, finite: true };
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const one of level) {
      facts.values++;
      facts.size += typeof one === "string" ? one.length + 2 : 4;
      if (typeof one === "number" && !Number.isFinite(one)) facts.finite = false;
      if (typeof one !== "object" || one === null) continue;
      facts.depth = depth + 1;
      if (Array.isArray(one)) for (const item of one) next.push(item);
      else {
        for (const [name, member] of Object.entries(one)) {
          facts.size += name.length + 3;
          next.push(member);
        }
      }
    }
    level = next;
  }
  facts.largeNumber = !facts.finite;
  return facts;
}

function badRecord(provider: AnyProvider, item: unknown, error: UeeError, fetchedAt: number): BadRecord {
  const source = item instanceof SourceText ? item : undefined;
  const raw = source ? source.text : (jsonText(item) ?? "null");
  const id = provider.identify(source ? source.known : item);
  const told = id !== undefined && id.length <= bounds.record.idLength ? id : undefined;
  // Key order makes no other record of it, nor does white space; what a value cannot hold does.
  const content =
    source?.refusal || error.code === "VAL_RECORD_NUMBER"
      ? raw
      : canonicalJson(source ? source.parse() : item);
  return {
    deadLetterId: deadLetterId(provider.name, told, content),
    id: told,
    raw,
    code: error.code,
    message: error.detail,
    fetchedAt,
  };
}

/** Values that may be in memory at once: a record has 250 on average, a page 500,000. */
const PORTION_VALUES = 600_000;

/** Cuts records into portions that are validated and committed one after the other, however rich they are. */
export function* portionsOf(records: readonly unknown[]): Generator<readonly unknown[]> {
  let from = 0;
  let values = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i];
    values += record instanceof SourceText ? record.values : 0;
    if (values < PORTION_VALUES) continue;
    yield records.slice(from, i + 1);
    from = i + 1;
    values = 0;
  }
  if (from === 0) yield records;
  else if (from < records.length) yield records.slice(from);
}

/**
 * Which of a batch's records is newest, by their own lastModified. A record dated after `latest` (ms) does not count: it
 * says nothing about how far the upstream is known.
 */
export function newestOf(
  records: readonly Pick<IncomingRecord, "lastModified">[],
  latest: number,
): { ms: number; text: string } | null {
  let newest: { ms: number; text: string } | null = null;
  for (const { lastModified } of records) {
    if (lastModified === null || (newest !== null && lastModified === newest.text)) continue;
    const ms = parseTime(lastModified);
    if (ms !== undefined && ms <= latest && (newest === null || ms > newest.ms))
      newest = { ms, text: lastModified };
  }
  return newest;
}
