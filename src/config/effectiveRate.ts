import type { ProviderFacts } from "./fields.ts";
import type { RateSetting } from "./values.ts";

/** The effective rate: the setting, else the provider's default with or without an API key. */
export function effectiveRate(
  setting: { readonly rate?: RateSetting | undefined },
  upstream: ProviderFacts["upstream"],
  apiKey: string | undefined,
): RateSetting {
  return setting.rate ?? (apiKey ? (upstream.rateWithKey ?? upstream.rate) : upstream.rate);
}
