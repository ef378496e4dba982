/** Text files: UTF-8 from bytes, lines, JSON lines, CSV. */
import { isUtf8 } from "node:buffer";
import { pipeline } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import type { ForeignTable } from "../../core/foreignErrors.ts";
import type { JsonObject } from "../../core/json.ts";
import { SourceText } from "../../core/sourceText.ts";

const csvErrors: ForeignTable = {
  library: "csv-parse",
  patterns: [
    {
      when: { code: /QUOTE_NOT_CLOSED$/ },
      as: "PROV_TRUNCATED",
      says: "The CSV file ends within a quoted value.",
    },
    { when: {}, as: "PROV_BAD_CSV", says: "The answer is not valid CSV." },
  ],
};

/**
 * UTF-8 bytes to text, piece by piece; a byte order mark is passed over. Throws PROV_NOT_UTF8. (TextDecoder would give
 * two bytes a character for what is nearly all ASCII.)
 */
export async function* decodeUtf8(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = lastCharacterEnd(bytes);
    rest = bytes.subarray(end);
    if (end === 0) continue;
    const text = decode(bytes.subarray(0, end));
    const piece = first && text.startsWith("\uFEFF") ? text.slice(1) : text;
    first = false;
    if (piece !== "") yield piece;
  }
  if (rest.length > 0) throw new UeeError("PROV_NOT_UTF8", "The answer ends within a character.");
}

function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new UeeError("PROV_NOT_UTF8");
  return bytes.toString("utf8");
}

/** Where the last character that is whole ends; what follows waits for the next chunk. */
export function lastCharacterEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** The first line, without its end, and the rest of the text. An end of line is `\n` or `\r\n`. */
export async function splitFirstLine(
  source: AsyncIterable<Buffer>,
): Promise<{ line: string; rest: AsyncGenerator<string> }> {
  const pieces = decodeUtf8(source);
  let text = "";
  for (;;) {
    const end = text.indexOf("\n");
    if (end >= 0)
      return { line: withoutReturn(text.slice(0, end)), rest: after(text.slice(end + 1), pieces) };
    if (text.length > bounds.lineLength) throw tooLong();
    const next = await pieces.next();
    if (next.done) return { line: withoutReturn(text), rest: after("", pieces) };
    text += next.value;
  }
}

async function* after(text: string, pieces: AsyncGenerator<string>): AsyncGenerator<string> {
  if (text !== "") yield text;
  yield* pieces;
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);
const tooLong = (): UeeError =>
  new UeeError("PROV_WRONG_SHAPE", `A line is longer than ${bounds.lineLength} characters.`);

/**
 * The records of a file with one JSON text a line (NDJSON). Blank lines are passed over. A line that is not JSON makes the
 * file PROV_BAD_JSON, with the number of the line.
 */
export async function* readJsonLines(source: AsyncIterable<Buffer>): AsyncGenerator<SourceText[]> {
  let number = 0;
  let rest = "";
  const read = (line: string): SourceText[] => {
    number += 1;
    if (line.trim() === "") return [];
    try {
      const record = SourceText.of(line);
      if (record.refusal === undefined) record.parse();
      return [record];
    } catch {
      throw new UeeError("PROV_BAD_JSON", `Line ${number} is not valid JSON.`);
    }
  };
  for await (const piece of decodeUtf8(source)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    if (rest.length > bounds.lineLength) throw tooLong();
    const records = lines.flatMap(read);
    if (records.length > 0) yield records;
  }
  const last = read(rest);
  if (last.length > 0) yield last;
}

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
