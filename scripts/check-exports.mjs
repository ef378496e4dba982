// Finds files that nothing imports and exports that nothing uses. Reads src, tests, benches, scripts and examples.
//   node scripts/check-exports.mjs [root]
// A value that only its own file uses needs no export. A type may be exported as part of a signature in its file.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "@swc/core";

const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));

/** Entered from outside, or by a name that is put together at run time. */
const entries = [
  /^src\/index\.ts$/,
  /^src\/cli\/main\.ts$/,
  /^src\/cli\/commands\//,
  /^src\/dashboard\/page\/main\.tsx$/,
];

const atRunTime =
  /(?:\{([^{}]*)\}\s*=\s*await\s+)?(?:import\(|new URL\()\s*["'`]([^"'`]+)["'`]\s*\)?(?:\.([A-Za-z]\w*))?/g;
const modules = new Map();
for (const folder of ["src", "test", "bench", "scripts", "examples", "bin"]) {
  if (!existsSync(join(root, folder))) continue;
  for (const path of readdirSync(join(root, folder), { recursive: true })) {
    if (/\.(ts|tsx|mjs|cjs)$/.test(path) && !/node_modules/.test(path)) read(join(folder, path));
  }
}

const used = new Map();
const imported = new Set();
/** Files whose exports another file passes on (`export *`): what is used of that file may be used of them. */
const passedOn = [];
for (const [file, { imports }] of modules) {
  for (const { from, names, all } of imports) {
    const target = resolve(file, from);
    if (target === undefined) continue;
    imported.add(target);
    use(target, isEntry(file) && all ? ["*"] : names);
    if (all) passedOn.push([file, target]);
  }
}
// One pass a level of files that pass on what others pass on.
for (const _level of passedOn) for (const [file, target] of passedOn) use(target, used.get(file) ?? []);

const findings = [];
for (const [file, { exports }] of modules) {
  if (!file.startsWith("src/") || isEntry(file)) continue;
  if (!imported.has(file)) {
    findings.push(`${file}: nothing imports it`);
    continue;
  }
  const names = used.get(file);
  if (names.has("*")) continue;
  for (const name of exports) if (!names.has(name)) findings.push(`${file}: nothing uses the export ${name}`);
}
for (const finding of findings.sort()) process.stdout.write(`${finding}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;

function isEntry(file) {
  return entries.some((entry) => entry.test(file));
}

function use(file, names) {
  const all = used.get(file) ?? new Set();
  for (const name of names) all.add(name);
  used.set(file, all);
}

function read(file) {
  const text = readFileSync(join(root, file), "utf8");
  const syntax = file.endsWith("js") ? "ecmascript" : "typescript";
  const { body } = parseSync(text, { syntax, tsx: file.endsWith("x"), target: "esnext" });
  const module = { imports: [], exports: new Set() };
  for (const item of body) readItem(item, module, text);
  // Imports at run time, types by import("…"), URLs of workers and pages: by their text. Unless the text names what it
  // takes, it may use anything.
  for (const [, taken, from, member] of text.matchAll(atRunTime)) {
    const names = taken?.split(",").map((name) => name.split(":")[0].trim()) ?? [member ?? "*"];
    module.imports.push({ from, names });
  }
  modules.set(file, module);
}

function readItem(item, { imports, exports }, text) {
  switch (item.type) {
    case "ImportDeclaration":
      imports.push({
        from: item.source.value,
        names: item.specifiers.map((one) =>
          one.type === "ImportNamespaceSpecifier"
            ? "*"
            : one.type === "ImportDefaultSpecifier"
              ? "default"
              : (one.imported ?? one.local).value,
        ),
      });
      break;
    case "ExportAllDeclaration":
      imports.push({ from: item.source.value, names: [], all: true });
      break;
    case "ExportNamedDeclaration":
      if (item.source) {
        const names = item.specifiers.map((one) => one.orig?.value ?? "*");
        imports.push({ from: item.source.value, names });
      }
      for (const one of item.specifiers) exports.add((one.exported ?? one.orig ?? one.name).value);
      break;
    case "ExportDeclaration":
      for (const name of declared(item.declaration)) {
        const isType = item.declaration.type.startsWith("Ts");
        if (!isType || text.match(new RegExp(`\\b${name}\\b`, "g")).length === 1) exports.add(name);
      }
      break;
    case "ExportDefaultDeclaration":
    case "ExportDefaultExpression":
      exports.add("default");
      break;
  }
}

function declared(declaration) {
  if (declaration.type !== "VariableDeclaration") return [(declaration.identifier ?? declaration.id).value];
  return declaration.declarations.flatMap(({ id }) =>
    id.type === "Identifier" ? [id.value] : (id.properties ?? []).map(({ key }) => key.value),
  );
}

function resolve(file, from) {
  if (!from.startsWith(".")) return undefined;
  const path = relative(root, join(root, dirname(file), from)).replace(/^dist\/(.*)\.js$/, "src/$1.ts");
  return [path, path.replace(/\.js$/, ".ts"), `${path}.ts`, `${path}/index.ts`].find((one) =>
    modules.has(one),
  );
}
