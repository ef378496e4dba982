/** The providers. A new one is its own file or folder and one line here; everything else follows from this list. */
import { attack } from "./attack/attack.ts";
import { capec } from "./capec/capec.ts";
import type { AnyProvider } from "./contract.ts";
import { cve } from "./cve/cve.ts";
import { cwe } from "./cwe/cwe.ts";
import { epss } from "./epss/epss.ts";
import { kev } from "./kev/kev.ts";

export const providers: readonly AnyProvider[] = [cve, cwe, capec, attack, kev, epss];

export const findProvider = (name: string): AnyProvider | undefined =>
  providers.find((provider) => provider.name === name);
