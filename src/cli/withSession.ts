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
  } finally {
    await session.close();
  }
}
