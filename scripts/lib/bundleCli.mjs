// The command as a few files: dist/cli/main.js with what it imports → dist/bundle. A command that starts with a thousand
// modules, one file each, takes three times as long to begin its work.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { buildSync } from "esbuild";

/** Packages that only services load, and those that need the files beside them. */
const external = [
  "@bull-board/*",
  "@fastify/*",
  "fastify",
  "msgpackr-extract",
  "pg",
  "pino-pretty",
  "prom-client",
];

/** CommonJS modules in the bundle ask for modules of Node. */
const banner = `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);`;

/** Bundles the compiled files of `<out>` into `<out>/bundle`. Throws with the place where the source is wrong. */
export function bundleCli(out) {
  const copy = join(out, ".bundle");
  const outdir = join(out, "bundle");
  try {
    for (const name of readdirSync(out)) cpSync(join(out, name), join(copy, name), { recursive: true });
    for (const path of scripts(copy)) keepPlace(path, copy);
    buildSync({
      entryPoints: [join(copy, "cli/main.js")],
      outdir,
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node20",
      external,
      banner: { js: banner },
      logLevel: "error",
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function* scripts(directory) {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && entry.name.endsWith(".js")) yield join(entry.parentPath ?? entry.path, entry.name);
}

/** Files beside a module (Lua scripts, the page) stay where they are: the module's address is that of its own file. */
function keepPlace(path, root) {
  const text = readFileSync(path, "utf8");
  if (!text.includes("import.meta.url")) return;
  const own = relative(join(root, "bundle"), path).replaceAll("\\", "/");
  writeFileSync(path, text.replaceAll("import.meta.url", `new URL("${own}", import.meta.url).href`));
}
