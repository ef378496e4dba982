/** Who may reach a server of ours: hosts of this machine, and secrets compared in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";

export const isLoopbackHost = (host: string): boolean => {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  const version = isIP(name);
  if (version === 4) return name.startsWith("127.");
  return version === 6 && (name === "::1" || name.startsWith("::ffff:127."));
};

export function sameSecret(given: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}
