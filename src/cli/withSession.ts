import { mapRedisError } from "../redis/errors.ts";
import type { CliContext } from "./context.ts";
import type { Session, SessionRequest } from "./sessionTypes.ts";

/** Opens a session for one command and closes it, however the command ends. */
export async function withSession<Result>(
  context: CliContext,
  request: Omit<SessionRequest, "patience">,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await context.open({ patience: "command", ...request });
  try {
    return await work(session);
  } catch (error) {
    // Other errors from the engine come from Redis.
    throw mapRedisError(error);
  } finally {
    await session.close();
  }
}
