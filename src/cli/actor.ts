import { hostname, userInfo } from "node:os";

/** Who sits at this command line, as history and `status` name them: `name@host`. */
export function personHere(env: NodeJS.ProcessEnv): string {
  return `${userName(env)}@${hostname()}`;
}

function userName(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that no one has given a name.
    return env.USER || `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
