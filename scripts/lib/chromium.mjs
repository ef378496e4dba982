// The browser of the dashboard's tests: Debian's own package. Without one they skip and say so; nothing else needs it.
import { run, say, which } from "./run.mjs";

const names = ["chromium", "chromium-browser", "google-chrome"];

/** Where it can, installs it as the tests' Redis is: as root, said before, forbidden by UEE_INSTALL=0. Never fails. */
export function ensureChromium() {
  if (process.env.UEE_CHROMIUM || names.some(which)) return;
  const mayInstall = process.env.UEE_INSTALL !== "0" && process.getuid?.() === 0 && which("apt-get");
  const command = ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"];
  if (mayInstall) {
    say(
      `chromium is not installed; installing it for the tests of the dashboard: apt-get ${command.join(" ")}   (UEE_INSTALL=0 forbids this)`,
    );
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    run("apt-get", ["update"], { env, quiet: true });
    run("apt-get", command, { env });
    if (names.some(which)) return;
  }
  say(
    "No chromium: the tests of the dashboard in a browser are skipped. Debian's package `chromium` is all they need.",
  );
}

/** Jest's arguments choose among tests; these may run one that needs the browser. */
export const mayNeedChromium = (args) =>
  args.every((arg) =>
    arg.startsWith("-")
      ? !/^--selectProjects=(unit|integration|faults)$/.test(arg)
      : /e2e|dash|test\/?$/.test(arg),
  );
