/** The shallow check of every record; UEE does not interpret deeper content. */
import { z } from "zod";
import { type ErrorCode, UeeError } from "../../core/errors.ts";
import { isObject, type JsonObject } from "../../core/json.ts";

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
    throw bad(
      "VAL_RECORD_FIELD",
      `'${field}' of ${id} is not what it is declared to be (${issue.message}).`,
      {
        id,
        field,
      },
    );
  }
  return { id, data: raw };
}

const bad = (code: ErrorCode, detail: string, data?: Record<string, unknown>): UeeError =>
  new UeeError(code, detail, { data });

function nameOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
