/**
 * Logins without stored state: the cookie contains name, id and expiry, signed with a key that is derived from the
 * API token. Every dashboard with the token accepts every login, also while Redis is unreachable, and a new token
 * ends all logins. A login that was ended early is stored in Redis (endedSessions.ts).
 */
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { sameSecret } from "../../core/access.ts";

/** How long a login lasts, ms. */
const LOGIN_MS = 12 * 3_600_000;

export interface LoginSession {
  readonly id: string;
  readonly name: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

export class SessionTokens {
  readonly #key: Buffer;
  /** Cookies ignore ports: two dashboards on one machine must not overwrite each other's. */
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

  /** Undefined if we did not issue it, or it has expired. */
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

  /** The value of X-CSRF-Token that writes of this login must send. */
  csrfToken(sessionId: string): string {
    return this.#sign(`csrf ${sessionId}`);
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}
