import { isObject } from "../../core/json.ts";

const ID = /^CVE-\d{4}-\d{4,19}$/;

/** Identities that are CVE ids, for sources whose records are about CVEs. `field` is the member that holds the id. */
export const cveIds = (field: string) => ({
  identify(raw: unknown): string | undefined {
    const id = isObject(raw) ? raw[field] : undefined;
    return typeof id === "string" && ID.test(id) ? id : undefined;
  },
  /** `cve-2021-44228` → `CVE-2021-44228`. */
  normalizeId(text: string): string | undefined {
    const id = text.trim().toUpperCase();
    return ID.test(id) ? id : undefined;
  },
});
