// Completes package-lock.json. A registry that lacks the packages of other platforms makes npm leave them out of the lock
// file, and then `npm ci` refuses it everywhere ("Missing: … from lock file"). Run after every change of dependencies;
// a test fails when it is due.
//   node scripts/complete-lock.mjs [--check]
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib/fingerprint.mjs";
import { say } from "./lib/run.mjs";

const file = join(root, "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));

const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = ["arm64", "x64", "ia32", "riscv64", "loong64", "s390x", "ppc64", "wasm32", "arm"];

function isLocked(name, from) {
  // As Node resolves: beside the package, then one level up after the other.
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    if (lock.packages[`${at ? `${at}/` : ""}node_modules/${name}`]) return true;
    if (at === "") return false;
  }
}

/** What the platform's name in the package's name says; without an integrity, which only the registry could tell. */
function entryFor(name, version, dev) {
  const os = systems.find((system) => name.includes(system));
  const cpu = processors.find((processor) => name.includes(processor));
  if (!os || !cpu || !/^\d+\.\d+\.\d+/.test(version)) {
    throw new Error(`${name}@${version} is missing and its platform cannot be told from its name`);
  }
  const libc = name.includes("musl")
    ? ["musl"]
    : os === "linux" && name.includes("gnu")
      ? ["glibc"]
      : undefined;
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc ? { libc } : {}),
    optional: true,
    os: [os],
  };
}

const missing = {};
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (!isLocked(name, path)) missing[`node_modules/${name}`] = entryFor(name, version, entry.dev);
  }
}
const names = Object.keys(missing);
if (names.length > 0 && process.argv.includes("--check")) {
  say(`package-lock.json lacks ${names.join(", ")}: run \`node scripts/complete-lock.mjs\`.`);
  process.exitCode = 1;
} else if (names.length > 0) {
  const all = Object.entries({ ...lock.packages, ...missing });
  all.sort(([a], [b]) => a.localeCompare(b, "en"));
  lock.packages = Object.fromEntries(all);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  say(`package-lock.json: ${names.length} packages of other platforms added.`);
}
