// libfaketime sets the clock of a Redis under test. Without it those tests skip and say so; nothing else needs it.
import { existsSync, readdirSync } from "node:fs";
import { run, say, which } from "./run.mjs";

const isThere = () =>
  existsSync("/usr/lib") &&
  readdirSync("/usr/lib").some((name) => existsSync(`/usr/lib/${name}/faketime/libfaketime.so.1`));

/** Where it can, installs it as the tests' Redis is: as root, said before, forbidden by UEE_INSTALL=0. Never fails. */
export function ensureFaketime() {
  if (isThere() || process.env.UEE_INSTALL === "0" || process.getuid?.() !== 0 || !which("apt-get")) return;
  const command = ["install", "-y", "--no-install-recommends", "libfaketime"];
  say(`libfaketime is not installed; installing it for the tests of clocks: apt-get ${command.join(" ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update"], { env, quiet: true });
  run("apt-get", command, { env, quiet: true });
}

/** Jest's arguments choose among tests; these may run one that sets a clock. */
export const mayNeedFaketime = (args) =>
  args.every((arg) =>
    arg.startsWith("-")
      ? !/^--selectProjects=(unit|e2e|faults)$/.test(arg)
      : /integration\/?$|[cC]lock|test\/?$/.test(arg),
  );
