// The dashboard's page: src/dashboard/page → one script, one style sheet, icon and index.html, each name with its hash,
// text compressed beside it. What is bundled is the page's own files, the figures of core and preact; anything else is a mistake.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { root } from "./fingerprint.mjs";
import { say } from "./run.mjs";

export const pageSource = join(root, "src/dashboard/page");
// node_modules may be a link to somewhere else.
const allowed = /^(src\/dashboard\/page\/|src\/core\/figures\.ts$|(.*\/)?node_modules\/preact\/)/;

/** Writes to `<out>/dashboard/page`; false after saying what is wrong. */
export function buildPage(out) {
  const target = join(out, "dashboard/page");
  const { inputs, outputs } = bundle(join(target, "assets"));
  const foreign = Object.keys(inputs).filter((input) => !allowed.test(input));
  if (foreign.length > 0) {
    say(`The dashboard's page must not contain ${foreign.join(", ")}.`);
    return false;
  }
  writeFileSync(join(target, "index.html"), indexPage(Object.keys(outputs), target));
  compress(target);
  return true;
}

/** Throws with the place where the source is wrong. */
function bundle(outdir) {
  const { metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: {
      page: join(pageSource, "main.tsx"),
      style: join(pageSource, "styles/main.css"),
      icon: join(pageSource, "icon.svg"),
    },
    outdir,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    metafile: true,
    format: "esm",
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    loader: { ".svg": "copy" },
    legalComments: "none",
    logLevel: "error",
  });
  return metafile;
}

/** `{{page.js}}` in the source becomes the file's true name. */
function indexPage(outputs, target) {
  const made = outputs.map((path) => relative(target, join(root, path)));
  const html = readFileSync(join(pageSource, "index.html"), "utf8");
  return html.replaceAll(/\{\{(\w+)\.(\w+)\}\}/g, (_, name, ending) => {
    const found = made.find((path) => basename(path).startsWith(`${name}-`) && path.endsWith(`.${ending}`));
    if (found === undefined) throw new Error(`the page has no ${name}.${ending}`);
    return found;
  });
}

function compress(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) compress(path);
    else {
      const bytes = readFileSync(path);
      writeFileSync(`${path}.br`, brotliCompressSync(bytes));
      writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    }
  }
}
