/** What the readers of zip and XML throw: all of it says that the answer is not what it claims. */
import type { ForeignTable } from "../../core/foreignErrors.ts";

export const zipErrors: ForeignTable = {
  library: "yauzl and zlib",
  patterns: [{ when: {}, as: "PROV_BAD_ZIP", says: "The answer is not a valid zip file: {}." }],
};

export const xmlErrors: ForeignTable = {
  library: "saxes",
  patterns: [{ when: {}, as: "PROV_BAD_XML", says: "The answer is not well-formed XML ({})." }],
};
