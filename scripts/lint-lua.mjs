// Checks the Lua scripts of src/: syntax (Lua 5.1, includes resolved), globals, header, named keys and arguments, style.
//   node scripts/lint-lua.mjs [root]
// Redis runs the files `<name>-<number of keys>.lua`; the others are fragments that they include.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import luaparse from "luaparse";

const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));

const LINE_LENGTH = 120;
const includeLine = /^--- @include "([\w./-]+)"$/gm;
const defineLine = /^--- @define (\w+)$/gm;
/** What Redis gives a script. */
const known = new Set(
  `redis KEYS ARGV cjson cmsgpack struct bit string table math assert error ipairs next pairs pcall select
  setmetatable tonumber tostring type unpack`.split(/\s+/),
);

const findings = [];
const files = readdirSync(join(root, "src"), { recursive: true })
  .map((path) => join("src", path))
  .filter((path) => path.endsWith(".lua"))
  .sort();
const included = new Set();
for (const file of files) checkFile(file);
for (const file of files) {
  if (!isEntry(file) && !included.has(file))
    findings.push({ file, line: 1, text: "no script includes this file" });
}
for (const { file, line, text } of findings) process.stdout.write(`${file}:${line}: ${text}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;

function isEntry(file) {
  return /-(\d+|n)\.lua$/.test(file);
}

function checkFile(file) {
  const text = readFileSync(join(root, file), "utf8");
  const say = (line, what) => findings.push({ file, line, text: what });
  checkWhole(file, say);
  let tree;
  try {
    tree = luaparse.parse(text, { luaVersion: "5.1", locations: true, comments: false, ranges: true });
  } catch (error) {
    say(error.line ?? 1, `is no Lua 5.1 by itself: ${error.message}`);
    return;
  }
  const body = checkHeader(file, text, say);
  checkNames(tree, say);
  checkStyle(text, body, tree, say);
}

/** The script as Redis gets it. */
function checkWhole(file, say) {
  const whole = withIncludes(file, new Set());
  if (!isEntry(file)) return;
  try {
    const { globals } = luaparse.parse(whole, {
      luaVersion: "5.1",
      scope: true,
      comments: false,
      locations: true,
    });
    const defined = new Set([...whole.matchAll(defineLine)].map(([, name]) => name));
    for (const { name } of globals) {
      if (!known.has(name) && !defined.has(name)) say(1, `uses the global ${name}`);
    }
  } catch (error) {
    say(1, `is no Lua 5.1 with its includes: ${error.message}`);
  }
}

function withIncludes(file, seen) {
  return readFileSync(join(root, file), "utf8").replace(includeLine, (_line, name) => {
    const other = relative(root, join(root, dirname(file), name));
    included.add(other);
    if (seen.has(other)) return "";
    return withIncludes(other, new Set([...seen, other]));
  });
}

/** Purpose; each key and argument by name on its own line, in order; what it returns. Gives the line after the header. */
function checkHeader(file, text, say) {
  const header = /^--\[\[\n(.*?)\n\]\]\n/s.exec(text)?.[1];
  if (header === undefined) {
    say(1, "does not begin with a header: --[[ on the first line, ]] on the last");
    return 0;
  }
  const lines = header.split("\n");
  if (!/^ {2}\p{Lu}/u.test(lines[0]))
    say(2, "the header does not begin with the purpose, indented by two spaces");
  if (!isEntry(file)) return lines.length + 2;
  const keys = /-(\d+|n)\.lua$/.exec(file)[1];
  const named = { KEYS: 0, ARGV: 0 };
  lines.forEach((line, i) => {
    const found = /^ {2}(KEYS|ARGV)\[(\d+)(?:\.\.(?:\d+)?)?\] +\S/.exec(line);
    if (found) {
      const [, what, number] = found;
      if (Number(number) <= named[what]) say(i + 2, `${what}[${number}] is out of order`);
      named[what] = Number(number);
    }
    if ((line.match(/\b(KEYS|ARGV)\[\d/g) ?? []).length > (found ? 1 : 0)) {
      say(i + 2, "a key or argument does not have its own line");
    }
  });
  if (keys !== "n" && named.KEYS !== Number(keys)) say(1, `the header names ${named.KEYS} of ${keys} keys`);
  const highest = Math.max(0, ...[...text.matchAll(/\bARGV\[(\d+)\]/g)].map(([, number]) => Number(number)));
  if (named.ARGV < highest) say(1, `the header names ${named.ARGV} of ${highest} arguments`);
  if (!lines.some((line) => line.startsWith("  Returns "))) say(1, "the header does not say what it returns");
  return lines.length + 2;
}

/** KEYS and ARGV are read into named locals at the top, and nowhere else. */
function checkNames(tree, say) {
  let top = true;
  for (const statement of tree.body) {
    if (statement.type !== "LocalStatement")
      top = top && statement.type === "FunctionDeclaration" && statement.isLocal;
    visit(statement, (node) => {
      if (node.type !== "Identifier" || (node.name !== "KEYS" && node.name !== "ARGV")) return;
      if (statement.type !== "LocalStatement" || !top) {
        say(node.loc.start.line, `raw ${node.name}: assign it to a named local at the top`);
      }
    });
  }
}

function checkStyle(text, headerEnd, tree, say) {
  if (!text.endsWith("\n") || text.endsWith("\n\n")) say(1, "does not end with one line break");
  text.split("\n").forEach((line, i) => {
    if (/\s$/.test(line)) say(i + 1, "blanks at the end of the line");
    if (line.includes("\t")) say(i + 1, "a tab");
    if (line.length > LINE_LENGTH) say(i + 1, `longer than ${LINE_LENGTH} characters`);
    if (i >= headerEnd && /;\s*$/.test(line)) say(i + 1, "a semicolon");
  });
  visit(tree, (node) => {
    if (node.type !== "StringLiteral") return;
    if (node.raw.startsWith("'") && !node.raw.includes('"')) say(node.loc.start.line, "single quotes");
  });
  checkIndentation(tree.body, 0, text.split("\n"), say);
}

function checkIndentation(body, depth, lines, say) {
  for (const statement of body) {
    const { line, column } = statement.loc.start;
    const first = lines[line - 1].slice(0, column).trim() === "";
    if (first && column !== depth * 2) say(line, `indented by ${column} instead of ${depth * 2}`);
    if (first) for (const block of blocksOf(statement)) checkIndentation(block, depth + 1, lines, say);
  }
}

function blocksOf(statement) {
  if (statement.type === "IfStatement") return statement.clauses.map(({ body }) => body);
  return Array.isArray(statement.body) ? [statement.body] : [];
}

function visit(node, look) {
  if (Array.isArray(node)) {
    for (const one of node) visit(one, look);
  } else if (node && typeof node === "object") {
    if (typeof node.type === "string") look(node);
    for (const [name, child] of Object.entries(node))
      if (name !== "loc" && name !== "range") visit(child, look);
  }
}
