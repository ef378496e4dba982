// Writes the generated documentation, or with --check reports whether it is current.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "./build.mjs";
import { code, configPage, note, table } from "./lib/configPage.mjs";
import { root } from "./lib/fingerprint.mjs";
import { say } from "./lib/run.mjs";

if (!build()) process.exit(1);
const { describeConfig, surroundings } = await import("../dist/config/index.js");
const { errorCatalog, errorClasses, retryable } = await import("../dist/core/errorCatalog.js");
const { opossumErrors, systemErrors } = await import("../dist/core/systemErrors.js");
const { redisErrors } = await import("../dist/redis/errors.js");
const { bullmqErrors } = await import("../dist/queues/bullmqErrors.js");
const { upstreamErrors } = await import("../dist/upstream/failures.js");
const { zipErrors } = await import("../dist/providers/formats/archives.js");
const { xmlErrors } = await import("../dist/providers/formats/xmlCatalogue.js");
const { describeMachines } = await import("../dist/machines/describe.js");

const foreignTables = [
  redisErrors,
  bullmqErrors,
  ...Object.values(upstreamErrors).flat(),
  zipErrors,
  xmlErrors,
  opossumErrors,
  systemErrors,
];

const families = {
  SYS: "this process, its machine, its configuration, its Redis",
  RPC: "jobs and messages between our processes",
  PROV: "upstreams and providers",
  STOR: "the store",
  PERM: "permits",
  VAL: "records and values",
  API: "what people and scripts ask for",
};

const rowOf = ({ when, as }) => [
  Object.entries(when)
    .map(([trait, pattern]) => `${trait} ${code(pattern.source)}`)
    .join("<br>") || "anything",
  code(as),
];

function errorsPage() {
  const sections = Object.entries(families).map(([family, what]) => {
    const rows = Object.entries(errorCatalog)
      .filter(([name]) => name.startsWith(`${family}_`))
      .map(([name, { class: cls, message, remedy }]) => [
        code(name),
        cls,
        retryable(cls) ? "yes" : "no",
        message,
        remedy,
      ]);
    return `## ${family}: ${what}\n\n${table(["code", "class", "retryable", "what happened", "what to do"], rows)}`;
  });
  const foreign = new Map();
  for (const { library, patterns } of foreignTables) foreign.set(library, patterns.map(rowOf));
  const libraries = [...foreign].map(
    ([library, rows]) => `### ${library}\n\n${table(["what fits, the first row wins", "becomes"], rows)}`,
  );
  return `${note}

# Errors

Match on the code, never on the text. \`uee errors CODE\` shows one. A job's failed reason begins with its code; with \`--json\` a command that fails prints \`{"error":{"code","message","remedy","retryable"}}\`.

Retryable means that a later attempt may succeed without any action; it follows from the class.

${table(["class", "what a batch does with it"], Object.entries(errorClasses))}

${sections.join("\n\n")}

## Errors of others

What libraries, servers and Node throw becomes one of the codes above by these tables, each kept beside the code that uses the library. Their texts are shown without secrets: no passwords of addresses, no arguments of commands, no values of headers and parameters that are named like a secret.

${libraries.join("\n\n")}
`;
}

/** Formatted by the formatter, so that one tool decides how every file looks. It does not support Lua. */
function format(path, text) {
  if (path.endsWith(".lua")) return text;
  const biome = join(root, "node_modules/@biomejs/biome/bin/biome");
  const args = [biome, "format", `--stdin-file-path=${path}`];
  const result = spawnSync(process.execPath, args, { cwd: root, input: text, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${path} cannot be formatted: ${result.stderr}`);
  return result.stdout;
}

const pages = {
  "docs/config.md": configPage(describeConfig(), surroundings),
  "docs/errors.md": errorsPage(),
  "docs/state-machines.md": `${note}\n\n${describeMachines()}`,
};
const check = process.argv.includes("--check");
for (const [path, page] of Object.entries(pages)) {
  const text = format(path, page);
  const file = join(root, path);
  let current = "";
  try {
    current = readFileSync(file, "utf8");
  } catch {
    // not written yet
  }
  if (current === text) continue;
  if (check) {
    say(`${path} is not current: run \`npm run docs\`.`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    say(`${path} written.`);
  }
}
