// Node's environment, and a witness of the error codes that production code makes while a test file runs. A file that
// test/errors/thrown.json names as evidence of a code fails when it ran whole and no such error was made. To find a file
// for a new code: UEE_WITNESS=<file> writes down what each test file saw, a JSON line each.
import { appendFileSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { TestEnvironment } from "jest-environment-node";

export const TOLD_AS = "uee.witness";

const { thrown } = JSON.parse(readFileSync(new URL("../../errors/thrown.json", import.meta.url), "utf8"));

/** Not what a test made itself: the frame above the constructor is one of ours. */
const byProduction = (stack) => {
  const frames = stack.split("\n").filter((line) => line.trimStart().startsWith("at "));
  return /[/\\]src[/\\]/.test(frames[1] ?? "");
};

export default class WitnessEnvironment extends TestEnvironment {
  #file;
  #whole = true;
  #seen = new Set();

  constructor(config, context) {
    super(config, context);
    this.#file = relative(config.globalConfig.rootDir, context.testPath).replaceAll("\\", "/");
    this.global[Symbol.for(TOLD_AS)] = (code, stack) => {
      if (byProduction(stack)) this.#seen.add(code);
    };
  }

  handleTestEvent(event, state) {
    if (event.name === "test_skip" || event.name === "test_todo") this.#whole = false;
    if (event.name !== "run_finish") return;
    if (process.env.UEE_WITNESS) {
      const line = JSON.stringify({ file: this.#file, codes: [...this.#seen].sort() });
      appendFileSync(process.env.UEE_WITNESS, `${line}\n`);
    }
    if (!this.#whole || state.testNamePattern) return;
    const missing = Object.entries(thrown)
      .filter(([code, file]) => file === this.#file && !this.#seen.has(code))
      .map(([code]) => code);
    if (missing.length === 0) return;
    const said = `test/errors/thrown.json names this file as evidence of ${missing.join(", ")}; no such error was made`;
    state.unhandledErrors.push(new Error(said));
  }
}
