// Finds the wording that this project's texts avoid. Rules for sentences apply to comments and documents; rules for
// words also apply to messages, so a sentence that an operator reads follows them too.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

const everywhere = [
  [/\banew\b/i, "“anew”: write “again”"],
  [/\bwhoever\b/i, "“whoever”: name the subject (a process, an operator, a client)"],
  [/\b(?:some|no|any|every)body\b/i, "“somebody”, “nobody”, “anybody”, “everybody”: name the subject"],
  [/\bthose who\b/i, "“those who”: name the subject"],
  [/\bof (?:which|whom) (?:there|one|no)\b/i, "“of which there …”: put the subject first"],
  [/\bl(?:ie|ies|ay) in redis\b/i, "“lie in Redis”: write “are stored in Redis”"],
  [/\bwhatever becomes\b/i, "“whatever becomes”: name the outcomes"],
];
const inComments = [
  [/(?:^|[.:;!?)*`] )[*(]*Of (?!course\b)/, "a sentence that begins with “Of”: put the subject first"],
  [/\b(?:hears?|heard|tells?) of\b/i, "“hear of”, “tell of”: write “receives”, “learns”, “reports”"],
  [/\b(?:bury|buries|buried|burial)\b/i, "“bury”: write “mark dead”"],
  [/\bbears? a letter\b/i, "“bear a letter”: write “create a dead letter”"],
  [/\bintake\b/i, "“intake”: write “received records”"],
  [/\btakers?\b/i, "“taker”: write “consumer”"],
  [/\bduties\b/i, "“duties”: write “fleet services”"],
  [/\bdoors?\b/i, "“door”: write “begin closing”, or name the interface"],
  [/\bjudge[sd]?\b/i, "“judge”: validate a record, verify a run, compare versions, classify an outcome"],
  [
    /(?:\b(?:its|their|his)|['’]s?) word\b/i,
    "“word” for a promise: write “heartbeat”, “registration” or “answer”",
  ],
];

const codeFile = /\.(?:ts|tsx|mjs|cjs|js|css|html|lua|sh|py|ya?ml)$|(?:^|\/)(?:Dockerfile|uee)$/;
// This file quotes the words that it looks for.
const skipped = new Set([
  "node_modules",
  "dist",
  "fixtures",
  "results",
  "test-artifacts",
  ".uee",
  ".git",
  "language.mjs",
]);

/**
 * @param {string} path decides how the text is read: a Markdown document is prose; in code, comments are prose
 * @param {string} text
 * @returns {{ line: number, why: string }[]} in the order of the lines
 */
export function languageFindings(path, text) {
  const document = path.endsWith(".md");
  const lines = text.split("\n");
  const end = path.endsWith("CHANGELOG.md") ? endOfUnreleased(lines) : lines.length;
  const findings = [];
  let fenced = false;
  let block = false;
  for (const [index, line] of lines.slice(0, end).entries()) {
    if (document && /^\s*```/.test(line)) fenced = !fenced;
    const comment = document ? undefined : commentOf(path, line, block);
    if (comment !== undefined) block = comment.block;
    const prose = document ? (fenced ? "" : line.replace(/^[\s>*|\d.-]+/, "")) : comment.text;
    const add = ([pattern, why], where) => {
      if (pattern.test(where)) findings.push({ line: index + 1, why });
    };
    for (const rule of everywhere) add(rule, line);
    for (const rule of inComments) add(rule, prose);
  }
  return findings;
}

/** Number of lines up to the heading of the newest release: earlier entries are history. */
function endOfUnreleased(lines) {
  const first = lines.findIndex((line) => /^## \[?Unreleased/i.test(line));
  if (first < 0) return 0;
  const next = lines.findIndex((line, index) => index > first && line.startsWith("## "));
  return next < 0 ? lines.length : next;
}

/** The comment on this line, without its marks; empty where there is none. */
function commentOf(path, line, block) {
  const [open, close, single] = path.endsWith(".lua")
    ? ["--[[", "]]", /(?:^|\s)--(?!\[\[)\s?(.*)$/]
    : /(?:\.(?:sh|py|ya?ml)|Dockerfile)$/.test(path)
      ? [undefined, undefined, /(?:^|\s)#\s?(.*)$/]
      : ["/*", "*/", /(?:^|\s)\/\/\s?(.*)$/];
  const opens = open !== undefined && line.trimStart().replace(/^\{/, "").startsWith(open);
  if (block || opens) {
    const text = line.trim().replace(/^\{?(?:\/\*+|--\[\[|\*)\s*/, "");
    return { block: !line.includes(close), text };
  }
  return { block: false, text: single.exec(line)?.[1] ?? "" };
}

/**
 * @param {string} root of the repository
 * @param {readonly string[]} places files and folders to read, relative to the root
 * @returns {string[]} one line for each finding
 */
export const languageReport = (root, places) =>
  places
    .flatMap((place) => filesIn(join(root, place)))
    .flatMap((file) => {
      const path = relative(root, file).split(sep).join("/");
      return languageFindings(path, readFileSync(file, "utf8")).map(
        ({ line, why }) => `${path}:${line}: ${why}`,
      );
    });

function filesIn(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (found.isFile()) return codeFile.test(path) || path.endsWith(".md") ? [path] : [];
  return readdirSync(path)
    .filter((name) => !skipped.has(name))
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}
