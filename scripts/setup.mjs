// Prepares a checkout: npm packages, redis-server, build. Plain Node without dependencies; silent when there is
// nothing to do.
//   node scripts/setup.mjs [--no-redis] [--no-build]
import { existsSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./lib/fingerprint.mjs";
import { run, say, which } from "./lib/run.mjs";

/** @returns {Promise<boolean>} true when everything requested is present */
export async function setup({ redis = true, build = true } = {}) {
  if (!ensurePackages()) return false;
  if (redis && !ensureRedis()) return false;
  if (!build) return true;
  return (await import("./build.mjs")).build();
}

function ensurePackages() {
  if (packagesAreCurrent()) return true;
  say("Installing npm packages …");
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  // npm tells its scripts which npm runs them.
  const npm = process.env.npm_execpath;
  const done = npm?.endsWith(".js") ? run(process.execPath, [npm, ...args]) : run("npm", args);
  if (!done) say("npm ci failed; see above.");
  return done;
}

/** The installed packages match package-lock.json. npm keeps its own record of what it installed. */
function packagesAreCurrent() {
  const lock = join(root, "package-lock.json");
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  if (statSync(lock).mtimeMs <= statSync(record).mtimeMs) return true;
  const wanted = JSON.parse(readFileSync(lock, "utf8")).packages;
  const installed = JSON.parse(readFileSync(record, "utf8")).packages;
  for (const [path, { version, integrity, optional }] of Object.entries(wanted)) {
    if (path === "") continue;
    const found = installed[path];
    // Optional packages of other platforms are listed and not installed.
    if (found ? found.version !== version || found.integrity !== integrity : !optional) return false;
  }
  // The same content with a newer time, as git writes it: next time comparing the times suffices.
  utimesSync(record, new Date(), new Date());
  return true;
}

function ensureRedis() {
  if (which("redis-server")) return true;
  const managers = JSON.parse(readFileSync(join(root, "src/redis/packageManagers.json"), "utf8"));
  const manager = managers.find(({ tool }) => which(tool));
  if (!manager) {
    say("redis-server is not installed, and no package manager was found. Install Redis 6.2 or newer.");
    return false;
  }
  const isRoot = process.getuid?.() === 0;
  const command = manager.install.join(" ");
  if (process.env.UEE_INSTALL === "0" || !isRoot || manager.unprivileged) {
    say(
      `redis-server is not installed. Install it with:\n\n  ${isRoot || manager.unprivileged ? "" : "sudo "}${command}\n`,
    );
    return false;
  }
  say(`redis-server is not installed; installing it: ${command}   (UEE_INSTALL=0 forbids this)`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  // The lists may be current already, or a mirror down: the installation decides.
  if (manager.prepare) run(manager.prepare[0], manager.prepare.slice(1), { env, quiet: true });
  run(manager.install[0], manager.install.slice(1), { env });
  if (which("redis-server")) return true;
  say(
    `redis-server could not be installed. Install Redis 6.2 or newer by hand; this was tried:\n\n  ${command}\n`,
  );
  return false;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const flags = new Set(process.argv.slice(2));
  const done = await setup({ redis: !flags.has("--no-redis"), build: !flags.has("--no-build") });
  process.exitCode = done ? 0 : 1;
}
