// Builds dist/ from src/ when a source or a package has changed: the compiled modules, the dashboard's page and the bundle of
// the command. It only strips types; `npm run check` checks them.
import {
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { buildPage, pageSource } from "./lib/buildPage.mjs";
import { bundleCli } from "./lib/bundleCli.mjs";
import { isBuildFresh, root, sourceFingerprint, stampFile } from "./lib/fingerprint.mjs";
import { run, say } from "./lib/run.mjs";

const dist = join(root, "dist");
const assets = /\.(lua|json|ndjson|html|css|svg)$/;

/** True when dist/ matches src/, whichever process built it. */
export function build() {
  if (isBuildFresh()) return true;
  mkdirSync(dist, { recursive: true });
  return underLock(() => isBuildFresh() || compile());
}

function compile() {
  say("Building …");
  // Computed first: a file edited during the build makes the next check build again.
  const fingerprint = sourceFingerprint();
  const next = join(dist, `.next-${process.pid}`);
  try {
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const flags = ["-p", "tsconfig.build.json", "--noCheck", "--outDir", next];
    if (!run(process.execPath, [compiler, ...flags])) {
      say("The build failed.");
      return false;
    }
    copyAssets(join(root, "src"), next);
    if (!buildPage(next)) return false;
    bundleCli(next);
    // Each file is replaced atomically: a process that starts meanwhile never reads half a file.
    const made = new Set(moveTree(next, dist));
    removeOthers(dist, made);
    writeFileSync(`${stampFile}.new`, fingerprint);
    renameSync(`${stampFile}.new`, stampFile);
    return true;
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

function* files(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

function copyAssets(from, to) {
  for (const path of files(from)) {
    if (!assets.test(path) || path.startsWith(pageSource)) continue;
    const target = join(to, relative(from, path));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
  }
}

function* moveTree(from, to) {
  for (const path of files(from)) {
    const target = join(to, relative(from, path));
    mkdirSync(dirname(target), { recursive: true });
    // The source maps were written for a folder one level deeper.
    if (path.endsWith(".map")) writeFileSync(path, readFileSync(path, "utf8").replaceAll('"../', '"'));
    renameSync(path, target);
    yield target;
  }
}

function removeOthers(directory, keep) {
  for (const path of files(directory)) {
    const own = relative(directory, path).startsWith(".");
    if (!own && !keep.has(path)) rmSync(path, { force: true });
  }
}

function underLock(work) {
  const lock = join(dist, ".lock");
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      writeSync(openSync(lock, "wx"), String(process.pid));
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (isAbandoned(lock)) rmSync(lock, { force: true });
      else Atomics.wait(pause, 0, 0, 50);
    }
  }
  try {
    return work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAbandoned(lock) {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    // Empty: its owner is between creating and writing.
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = build() ? 0 : 1;
