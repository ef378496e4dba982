// The dashboard's page runs in browsers: it imports its own files, preact, the figures of core, and
// types of the HTTP side's schemas.
// Checked here and not by dependency-cruiser, whose parser cannot read .tsx.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const importPattern = /^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gms;

/** @returns {string[]} one line per violation; none when there is no page */
export function pageImportBreaches(root) {
  const page = join(root, "src/dashboard/page");
  if (!existsSync(page)) return [];
  const schemas = join(root, "src/dashboard/api/schemas.ts");
  const shared = join(root, "src/core/figures.ts");
  const breaches = [];
  const graph = new Map();
  const files = readdirSync(page, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => join(page, file));
  for (const file of files) {
    const inside = [];
    for (const [, isType, from, bare] of readFileSync(file, "utf8").matchAll(importPattern)) {
      const name = from ?? bare;
      if (name === "preact" || name.startsWith("preact/")) continue;
      const target = join(dirname(file), name);
      if (target === shared) continue;
      const say = (why) =>
        breaches.push(`the-page-is-for-browsers: ${relative(root, file)} → ${name}: ${why}`);
      if (!name.startsWith(".")) say("only preact may come from outside");
      else if (target === schemas && isType === undefined) say("of the schemas only types: import type");
      else if (target !== schemas && !target.startsWith(`${page}/`)) say("it lies outside the page");
      else if (!existsSync(target)) say("it is not there");
      else if (target !== schemas) inside.push(target);
    }
    graph.set(file, inside);
  }
  return [
    ...breaches,
    ...circles(graph).map(
      (circle) => `no-circles: ${circle.map((file) => relative(root, file)).join(" → ")}`,
    ),
  ];
}

/** Each circle once, from where it was found. */
function circles(graph) {
  const found = [];
  const done = new Set();
  const walk = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return found;
}
