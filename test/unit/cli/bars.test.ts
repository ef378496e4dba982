/** Progress bars on a terminal of 80 columns, as it shows them. */
import { Writable } from "node:stream";
import { expect, test } from "@jest/globals";
import type { CliContext } from "../../../src/cli/context.ts";
import { makeProgressView } from "../../../src/cli/render/progress.ts";
import { until } from "../../support/until.ts";
import { now, progress } from "./support.ts";

/** As much of a terminal as bars use: the cursor's moves, clearing, and line wrapping. */
class Screen extends Writable {
  readonly isTTY = true;
  readonly columns = 80;
  readonly #rows: string[][] = [[]];
  #row = 0;
  #column = 0;
  #wraps = true;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escapes of a terminal
    for (const part of chunk.toString().split(/(\u001b\[[?\d;]*[A-Za-z]|\n)/)) this.#take(part);
    done();
  }

  get lines(): string[] {
    return this.#rows.map((row) =>
      Array.from(row, (cell) => cell ?? " ")
        .join("")
        .trimEnd(),
    );
  }

  #take(part: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escapes of a terminal
    const [, parameter = "", command] = /^\u001b\[([?\d;]*)([A-Za-z])$/.exec(part) ?? [];
    const count = Number(parameter) || 1;
    const row = this.#rows[this.#row]!;
    if (part === "\n") this.#newline();
    else if (command === "A") this.#row = Math.max(0, this.#row - count);
    else if (command === "G") this.#column = count - 1;
    else if (command === "K") row.splice(parameter === "2" ? 0 : this.#column);
    else if (command === "J") {
      row.splice(this.#column);
      this.#rows.splice(this.#row + 1);
    } else if (parameter === "?7") this.#wraps = command === "h";
    else if (command === undefined) for (const character of part) this.#put(character);
  }

  #newline(): void {
    this.#row++;
    this.#column = 0;
    this.#rows[this.#row] ??= [];
  }

  #put(character: string): void {
    if (this.#column >= this.columns) {
      if (this.#wraps) this.#newline();
      else this.#column = this.columns - 1;
    }
    this.#rows[this.#row]![this.#column++] = character;
  }
}

test("warnings appear whole above the bars, however long they are, and leave nothing of the bars behind", async () => {
  const stderr = new Screen();
  const context = { stderr, env: { NO_COLOR: "1" }, now: () => now } as unknown as CliContext;
  const view = await makeProgressView(context, ["cve", "attack"]);
  const bars = (cve: number) => [
    expect.stringMatching(new RegExp(`^  cve     [█░]{12}  ${cve},000 of 361,789 \\(\\d+ %\\)`)),
    expect.stringMatching(/^ {2}attack {2}█░{11} {2}waits: the upstream told us to wait, 26 s more$/),
  ];
  view.note("attack", "the open run attack-1 ends first, then the full run opens.");
  view.update(progress("cve", { fetched: 40_000, expected: 361_789 }));
  await until(() => stderr.lines.some((line) => line.includes("attack-1 ends first")));
  const waiting = { reason: "the upstream told us to wait", until: new Date(now + 26_000).toISOString() };
  view.update(progress("attack", { fetched: 1_000, expected: 12_345, waiting }));
  const long = `WARN: cve: PROV_BAD_RECORDS: ${"word ".repeat(30)}end`;
  view.log(long);
  view.log("WARN: short\nand its second line");
  view.log("WARN: last");
  view.update(progress("cve", { fetched: 90_000, expected: 361_789 }));
  await until(() => stderr.lines.some((line) => line.startsWith("WARN: last")));
  const wrapped = [long.slice(0, 80), long.slice(80, 160), long.slice(160)].map((line) => line.trimEnd());
  const told = [...wrapped, "WARN: short", "and its second line", "WARN: last"];
  expect(stderr.lines).toEqual([...told, ...bars(90)]);
  view.stop();
  expect(stderr.lines.filter((line) => line !== "")).toEqual(told);
});
