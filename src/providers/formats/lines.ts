import { bounds } from "../../core/bounds.ts";
import { UeeError } from "../../core/errors.ts";
import { SourceText } from "../../core/sourceText.ts";
import { decodeUtf8 } from "./chunks.ts";

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
      return [SourceText.of(line)];
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
