import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root } from "./fingerprint.mjs";

/** Progress and complaints go to stderr; stdout belongs to results. */
export const say = (line) => process.stderr.write(`${line}\n`);

/** Runs a program in the repository; what it prints goes to stderr. True when it ended with 0. */
export function run(command, args, { env = {}, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", quiet ? "ignore" : 2, quiet ? "ignore" : 2],
  });
  if (result.error) say(`${command}: ${result.error.message}`);
  return result.status === 0;
}

/** Path of a program in PATH, or undefined. */
export function which(name) {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory || ".", name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not here
    }
  }
  return undefined;
}
