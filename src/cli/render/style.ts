import { stripVTControlCharacters, styleText } from "node:util";
import type { Terminal } from "../context.ts";

type Paint = (text: string) => string;

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

const names = ["bold", "dim", "red", "green", "yellow", "cyan"] as const;

export const makeStyle = (colours: boolean): Style =>
  Object.fromEntries(
    names.map((name) => [
      name,
      (text: string) => (colours ? styleText(name, text, { validateStream: false }) : text),
    ]),
  ) as unknown as Style;

/** Colours only on terminals; NO_COLOR (any text) disables them, FORCE_COLOR enables them. */
export function wantsColours(terminal: Terminal, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
  return terminal.isTTY === true && env.TERM !== "dumb";
}

export const styleFor = (terminal: Terminal, env: NodeJS.ProcessEnv): Style =>
  makeStyle(wantsColours(terminal, env));

/** Width of a text in columns. */
export const visibleLength = (text: string): number => stripVTControlCharacters(text).length;

/** Available columns; files and pipes have no limit. */
export const widthOf = (terminal: Terminal): number =>
  terminal.isTTY ? Math.max(40, terminal.columns ?? 80) : Number.POSITIVE_INFINITY;
