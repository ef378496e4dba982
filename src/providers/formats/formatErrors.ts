/** What the libraries that read formats throw: each means that the answer is not what it claims to be. */
import type { ForeignTable } from "../../core/foreignErrors.ts";

export const zipErrors: ForeignTable = {
  library: "yauzl and zlib",
  patterns: [{ when: {}, as: "PROV_BAD_ZIP", says: "The answer is not a valid zip file: {}." }],
};

export const gzipErrors: ForeignTable = {
  library: "zlib (gzip)",
  patterns: [
    { when: { code: /^Z_BUF_ERROR$/ }, as: "PROV_TRUNCATED", says: "The gzip file ends too early." },
    { when: { code: /^Z_/ }, as: "PROV_BAD_ENCODING", says: "The answer is not a valid gzip file: {}." },
  ],
};

export const tarErrors: ForeignTable = {
  library: "tar-stream",
  patterns: [
    {
      when: { message: /Unexpected end of data/ },
      as: "PROV_TRUNCATED",
      says: "The tar file ends too early.",
    },
    { when: {}, as: "PROV_BAD_TAR", says: "The answer is not a valid tar file: {}." },
  ],
};

export const csvErrors: ForeignTable = {
  library: "csv-parse",
  patterns: [
    {
      when: { code: /QUOTE_NOT_CLOSED$/ },
      as: "PROV_TRUNCATED",
      says: "The CSV file ends within a quoted value.",
    },
    { when: {}, as: "PROV_BAD_CSV", says: "The answer is not valid CSV." },
  ],
};

export const xmlErrors: ForeignTable = {
  library: "saxes",
  patterns: [{ when: {}, as: "PROV_BAD_XML", says: "The answer is not well-formed XML ({})." }],
};
