import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { UeeError } from "../../core/errors.ts";

interface PackageManager {
  tool: string;
  install: string[];
  /** Runs without root. */
  unprivileged?: boolean;
}

export const redisServerInstalled = (env: NodeJS.ProcessEnv = process.env): boolean =>
  inPath("redis-server", env);

/** The command that installs redis-server on this machine; undefined where no package manager is known. */
function installCommand(
  env: NodeJS.ProcessEnv = process.env,
  isRoot = process.getuid?.() === 0,
): string | undefined {
  const file = new URL("../packageManagers.json", import.meta.url);
  const managers = JSON.parse(readFileSync(file, "utf8")) as PackageManager[];
  const manager = managers.find(({ tool }) => inPath(tool, env));
  if (!manager) return undefined;
  return `${isRoot || manager.unprivileged ? "" : "sudo "}${manager.install.join(" ")}`;
}

export function redisServerMissing(): UeeError {
  const command = installCommand();
  const how = command ? `Install it with: ${command}` : "Install Redis 6.2 or newer";
  return new UeeError(
    "SYS_REDIS_MISSING",
    `No REDIS_URL is set and no redis-server is installed. ${how}; or set REDIS_URL.`,
  );
}

function inPath(program: string, env: NodeJS.ProcessEnv): boolean {
  return (env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory || ".", program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
