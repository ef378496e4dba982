/**
 * Logins without anything stored: the cookie carries name, id and end, signed with a key that is derived from the API
 * token. So every dashboard that has the token knows every login, also while Redis is away, and a new token ends them all.
 * A login that was ended before its time is remembered in Redis (endedSessions.ts).
 */
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/** How long a login lasts, ms. */
export const LOGIN_MS = 12 * 3_600_000;

export interface LoginSession {
  readonly id: string;
  readonly name: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Equal, told in a time that depends on neither. */
export function sameSecret(given: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}

export class SessionTokens {
  readonly #key: Buffer;
  /** Cookies know no ports: two dashboards of one machine must not overwrite each other's. */
  readonly cookieName: string;

  constructor(apiToken: string) {
    this.#key = Buffer.from(hkdfSync("sha256", apiToken, "", "uee session v1", 32));
    const label = Buffer.from(hkdfSync("sha256", apiToken, "", "uee cookie name", 4)).toString("hex");
    this.cookieName = `uee_session_${label}`;
  }

  issue(name: string, now = Date.now()): { cookie: string; session: LoginSession } {
    const session = { id: randomBytes(16).toString("base64url"), name, expiresAt: now + LOGIN_MS };
    const body = Buffer.from(JSON.stringify([session.id, session.name, session.expiresAt])).toString(
      "base64url",
    );
    return { cookie: `${body}.${this.#sign(`session ${body}`)}`, session };
  }

  /** Undefined when it was not issued by us, or has ended. */
  read(cookie: string, now = Date.now()): LoginSession | undefined {
    const [body = "", signature = "", more] = cookie.split(".");
    if (more !== undefined || !sameSecret(signature, this.#sign(`session ${body}`))) return undefined;
    const [id, name, expiresAt] = JSON.parse(Buffer.from(body, "base64url").toString()) as [
      string,
      string,
      number,
    ];
    return expiresAt > now ? { id, name, expiresAt } : undefined;
  }

  /** What changes of this login must carry in X-CSRF-Token. */
  csrfToken(sessionId: string): string {
    return this.#sign(`csrf ${sessionId}`);
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}
