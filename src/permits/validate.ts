/** Numbers and names that the pool accepts; all others are PERM_INVALID. */
import { UeeError } from "../core/errors.ts";

export function checkNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UeeError(
    "PERM_INVALID",
    `${name} must be a whole number from ${least} to ${most}, not ${value}.`,
  );
}

/** The pool's keys separate names with bars. */
export function checkProvider(name: string): string {
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/i.test(name)) return name;
  throw new UeeError("PERM_INVALID", `'${name}' is not a provider's name.`);
}

export function checkText(name: string, text: string): string {
  if (text.length > 0 && text.length <= 512) return text;
  throw new UeeError("PERM_INVALID", `${name} must have 1 to 512 characters.`);
}
