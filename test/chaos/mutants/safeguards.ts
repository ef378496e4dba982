/**
 * Finds a safeguard in the sources and takes it away. A safeguard is marked by a comment on the line before it,
 * `// @safeguard name` or `-- @safeguard name`; the names and the layout of the code after it do not matter.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "@swc/core";

/** What to do to the code after the mark. In a template `$` is the code as it is, `$1` the first operand of its `and`. */
export type Edit = { at: string } & (
  | /** The condition of an `if`. */ { condition: string }
  | /** The right side of an assignment, a property's value, a return value. TypeScript: the first inside. */ {
      value: string;
    }
  | /** The whole statement; "" deletes it. */ { statement: string }
  | /** Moves the statement behind the statement that this other mark is on, in the same file. */ {
      moveAfter: string;
    }
);

export interface Place {
  /** Relative to the root. */
  file: string;
  /** Where the code after the mark begins, as an index into the text. */
  offset: number;
}

const mark = /^[ \t]*(?:\/\/|--) @safeguard ([\w-]+)[ \t]*\n/gm;

export function marksIn(text: string): { name: string; offset: number }[] {
  return [...text.matchAll(mark)].map((match) => ({
    name: match[1] as string,
    offset: match.index + match[0].length,
  }));
}

/** Every mark in `src`, by name; a name that was used twice has two places. */
export function findSafeguards(root: string): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  for (const name of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).sort()) {
    if (!/\.(ts|tsx|lua)$/.test(name)) continue;
    const file = `src/${name}`;
    for (const found of marksIn(readFileSync(join(root, file), "utf8"))) {
      places.set(found.name, [...(places.get(found.name) ?? []), { file, offset: found.offset }]);
    }
  }
  return places;
}

interface Range {
  start: number;
  end: number;
}

/** The text after the edit. Throws where the mark is missing or its code has no such part. */
export function applyEdit(text: string, language: "ts" | "lua", edit: Edit): string {
  const at = (name: string): Range => {
    const found = marksIn(text).filter((one) => one.name === name);
    if (found.length !== 1) throw new Error(`@safeguard ${name} stands ${found.length} times in this file`);
    const offset = (found[0] as { offset: number }).offset;
    if ("condition" in edit)
      return language === "ts" ? tsPart(text, offset, "condition") : luaIf(text, offset);
    if ("value" in edit) return language === "ts" ? tsPart(text, offset, "value") : luaValue(text, offset);
    return language === "ts" ? tsPart(text, offset, "statement") : luaLine(text, offset);
  };
  const range = at(edit.at);
  const code = text.slice(range.start, range.end);
  if ("moveAfter" in edit) {
    const behind = at(edit.moveAfter).end;
    if (behind < range.end) throw new Error(`@safeguard ${edit.moveAfter} stands before ${edit.at}`);
    return `${text.slice(0, range.start)}${text.slice(range.end, behind)}\n${code}${text.slice(behind)}`;
  }
  const template = "condition" in edit ? edit.condition : "value" in edit ? edit.value : edit.statement;
  const filled = template.replace(/\$(1?)/g, (_, first: string) =>
    first === "" ? code : firstOperand(code, language),
  );
  if (filled === code) throw new Error(`the edit of @safeguard ${edit.at} changes nothing`);
  return text.slice(0, range.start) + filled + text.slice(range.end);
}

/** What stands before the first `and` (`&&`) outside brackets. */
function firstOperand(condition: string, language: "ts" | "lua"): string {
  let depth = 0;
  for (let i = 0; i < condition.length; i++) {
    if ("([{".includes(condition[i] as string)) depth++;
    if (")]}".includes(condition[i] as string)) depth--;
    const rest = condition.slice(i);
    if (depth === 0 && (language === "lua" ? /^\sand\s/ : /^\s*&&/).test(rest)) return condition.slice(0, i);
  }
  throw new Error(`'${condition}' is no conjunction`);
}

function matchAt(text: string, offset: number, pattern: RegExp, what: string): Range {
  const sticky = new RegExp(pattern, "dsy");
  sticky.lastIndex = offset;
  const range = sticky.exec(text)?.indices?.[1];
  if (!range) throw new Error(`no ${what} follows at '${text.slice(offset, offset + 60)}'`);
  return { start: range[0], end: range[1] };
}

const luaIf = (text: string, offset: number): Range =>
  matchAt(text, offset, /\s*(?:else)?if\b\s*(.*?)\s*\bthen\b/, "if");
const luaValue = (text: string, offset: number): Range =>
  matchAt(text, offset, /[^\n=]*=\s*([^\n]*?)\s*(?=\n|$)/, "assignment");
const luaLine = (text: string, offset: number): Range => matchAt(text, offset, /\s*([^\n]+)/, "statement");

type Node = Record<string, unknown>;
interface Found extends Range {
  node: Node;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;
const values: Record<string, string> = {
  VariableDeclarator: "init",
  AssignmentExpression: "right",
  KeyValueProperty: "value",
  ReturnStatement: "argument",
};

/** Offsets of swc are bytes and count on from file to file: the node that starts first after the mark is ours. */
function tsPart(text: string, offset: number, part: "condition" | "value" | "statement"): Range {
  // The lone `;` makes the first span that of the file's own beginning.
  const ast = parseSync(`;${text}`, { syntax: "typescript", tsx: false, target: "es2022" });
  const bytes = Buffer.from(text);
  const base = ast.span.start + 1;
  const index = (byte: number): number => bytes.subarray(0, byte - base).toString().length;
  const wanted = Buffer.byteLength(text.slice(0, offset)) + base;

  let anchored: Found | undefined;
  for (const found of walk(ast as unknown as Node)) {
    if (found.start < wanted) continue;
    const earlier = anchored === undefined || found.start < anchored.start;
    if (earlier || (found.start === anchored?.start && found.end > anchored.end)) anchored = found;
  }
  if (anchored === undefined) throw new Error("no code follows the mark");
  const range = ({ start, end }: Range): Range => ({ start: index(start), end: index(end) });
  if (part === "statement") return range(anchored);
  if (part === "condition") {
    const { test } = anchored.node;
    if (!isNode(test)) throw new Error(`no condition follows the mark, but a ${String(anchored.node.type)}`);
    return range(spanOf(test) as Range);
  }
  for (const { node } of walk(anchored.node)) {
    const value = node[values[String(node.type)] ?? ""];
    if (isNode(value)) return range(spanOf(value) as Range);
  }
  throw new Error(`no value follows the mark, but a ${String(anchored.node.type)}`);
}

function spanOf(node: Node): Range | undefined {
  if (isNode(node.span)) return node.span as unknown as Range;
  // A property has no span of its own.
  if (node.type !== "KeyValueProperty") return undefined;
  const [key, value] = [spanOf(node.key as Node), spanOf(node.value as Node)];
  return key && value && { start: key.start, end: value.end };
}

/** In the order of the source: a node before what is in it. */
function* walk(node: Node): Generator<Found> {
  const span = spanOf(node);
  if (span && typeof node.type === "string") yield { node, ...span };
  for (const [key, child] of Object.entries(node)) {
    if (key === "span") continue;
    if (Array.isArray(child)) {
      // Elements of calls and lists stand in wrappers without a type.
      for (const one of child) if (isNode(one)) yield* walk(one);
    } else if (isNode(child)) yield* walk(child);
  }
}
