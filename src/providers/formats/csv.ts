import { pipeline } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { SourceText } from "../../core/sourceText.ts";
import { csvErrors } from "./formatErrors.ts";

/** Rows that are given on at once. */
const ROWS = 500;

/**
 * The rows of a CSV text (RFC 4180) whose first line names the columns: objects by column name, values as strings, as they
 * were written. A row of another width is a refused source text with the columns that it has: it costs only itself.
 * Throws PROV_WRONG_SHAPE when one of `required` is no column, PROV_BAD_CSV, and PROV_TRUNCATED when the last row has no
 * end of line.
 */
export async function* readCsv(
  text: AsyncIterable<string>,
  { required }: { required: readonly string[] },
): AsyncGenerator<(JsonObject | SourceText)[]> {
  let last = "";
  async function* watched(): AsyncGenerator<string> {
    for await (const piece of text) {
      last = piece.at(-1) ?? last;
      yield piece;
    }
  }
  const parser = parse({
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: bounds.record.bytes,
  });
  // The error comes out of the iteration below; without a callback the pipeline would throw it a second time.
  const parsed = pipeline(watched(), parser, () => undefined);
  let columns: readonly string[] | undefined;
  let rows: (JsonObject | SourceText)[] = [];
  try {
    for await (const values of parsed as AsyncIterable<string[]>) {
      if (columns === undefined) {
        columns = checkColumns(values, required);
        continue;
      }
      rows.push(rowOf(columns, values));
      if (rows.length < ROWS) continue;
      yield rows;
      rows = [];
    }
  } catch (error) {
    throw error instanceof CsvError ? fromForeign(error, csvErrors) : error;
  }
  if (columns === undefined) throw new UeeError("PROV_TRUNCATED", "The CSV file names no columns.");
  if (last !== "\n") throw new UeeError("PROV_TRUNCATED", "The CSV file's last row has no end of line.");
  if (rows.length > 0) yield rows;
}

function checkColumns(columns: readonly string[], required: readonly string[]): readonly string[] {
  const missing = required.filter((name) => !columns.includes(name));
  if (missing.length > 0 || new Set(columns).size < columns.length) {
    const found = columns.join(",").slice(0, 100);
    throw new UeeError("PROV_WRONG_SHAPE", `The CSV's columns are '${found}', not ${required.join(",")}.`);
  }
  return columns;
}

function rowOf(columns: readonly string[], values: readonly string[]): JsonObject | SourceText {
  const row: JsonObject = Object.create(null);
  for (let i = 0; i < columns.length && i < values.length; i++) row[columns[i]!] = values[i]!;
  if (values.length === columns.length) return row;
  return SourceText.refused(values.join(","), row, {
    code: "VAL_RECORD_SHAPE",
    message: `The row has ${values.length} columns; the file has ${columns.length}.`,
  });
}
