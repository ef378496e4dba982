// The PostgreSQL of the sink's tests: Debian's own package. Without one they skip and say so; nothing else needs it.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run, say, which } from "./run.mjs";

const packages = "/usr/lib/postgresql";

/** Directory of initdb and postgres; undefined without them. */
export function postgresBin() {
  const versions = existsSync(packages) ? readdirSync(packages).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions
    .map((version) => join(packages, version, "bin"))
    .find((bin) => existsSync(join(bin, "initdb")));
  return found ?? (which("initdb") ? "" : undefined);
}

/** Where it can, installs it as the tests' Redis is: as root, said before, forbidden by UEE_INSTALL=0. Never fails. */
export function ensurePostgres() {
  if (postgresBin() !== undefined) return;
  const command = ["install", "-y", "--no-install-recommends", "postgresql"];
  if (process.env.UEE_INSTALL !== "0" && process.getuid?.() === 0 && which("apt-get")) {
    say(
      `postgresql is not installed; installing it for the tests of the sink: apt-get ${command.join(" ")}   (UEE_INSTALL=0 forbids this)`,
    );
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    run("apt-get", ["update"], { env, quiet: true });
    run("apt-get", command, { env });
    if (postgresBin() !== undefined) return;
  }
  say("No PostgreSQL: the tests of the sink are skipped. Debian's package `postgresql` is all they need.");
}

/** Jest's arguments choose among tests; these may run one that needs it. */
export const mayNeedPostgres = (args) =>
  args.every((arg) =>
    arg.startsWith("-")
      ? !/^--selectProjects=(unit|e2e)$/.test(arg)
      : /integration|faults|outlets|postgres|sink|test\/?$/.test(arg),
  );
