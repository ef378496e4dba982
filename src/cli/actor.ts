import { hostname, userInfo } from "node:os";

/** The user of this command line, as history and `status` show it: `name@host`. */
export function personHere(env: NodeJS.ProcessEnv): string {
  return `${userName(env)}@${hostname()}`;
}

function userName(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id without a name.
    return env.USER || `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
