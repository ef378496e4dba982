/** Spellings that were perhaps meant by a text that is no id: each provider knows the forms of its own. */
import type { AnyProvider } from "../providers/contract.ts";

export function nearSpellings(text: string, providers: readonly Pick<AnyProvider, "nearIds">[]): string[] {
  const plain = text
    .trim()
    .toUpperCase()
    .replace(/[\s_:/]+/g, "-");
  const found = new Set(providers.flatMap((provider) => provider.nearIds?.(plain) ?? []));
  found.delete(text);
  return [...found];
}
