/** Classifies errors of Node that other code has not classified: files, memory, time, JSON, compression. */
import type { ForeignTable } from "./foreignErrors.ts";

/** Codes of a rejected certificate. */
export const brokenCertificate =
  /^(CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO|HOSTNAME_MISMATCH|CRL_|UND_ERR_PRX_TLS)/;

/** Codes of invalid compressed data. */
export const brokenCompression =
  /^(Z_(DATA|BUF|STREAM|NEED_DICT)|ERR_BROTLI|ERR__ERROR_FORMAT|ERR_ZLIB|ERR_PADDING|ERR_TRAILING_JUNK)/;

/** For a provider that uses its own breaker; ours (breakers/) does not let these out. */
export const opossumErrors: ForeignTable = {
  library: "opossum",
  patterns: [
    { when: { code: /^(EOPENBREAKER|ESEMLOCKED)$/ }, as: "PROV_CIRCUIT_OPEN", says: "{}." },
    { when: { code: /^ETIMEDOUT$/, message: /^Timed out after \d+ms/ }, as: "PROV_TIMEOUT", says: "{}." },
    { when: { code: /^ESHUTDOWN$/ }, as: "SYS_SHUTDOWN", says: "{}." },
  ],
};

/** File system calls; sockets share some of the codes. */
const ofFiles = /^(?!(?:connect|bind|listen|getaddrinfo|accept|shutdown)$)./;

export const systemErrors: ForeignTable = {
  library: "Node.js",
  patterns: [
    { when: { name: /^TimeoutError$/ }, as: "SYS_TIMEOUT", says: "An operation took too long: {}." },
    { when: { name: /^AbortError$/ }, as: "SYS_ABORTED", says: "The operation was cancelled." },
    { when: { code: /^ABORT_ERR$/ }, as: "SYS_ABORTED", says: "The operation was cancelled." },
    {
      when: { code: /^ENOENT$/, syscall: ofFiles },
      as: "SYS_FILE_MISSING",
      says: "A file or folder is not there: {}.",
    },
    {
      when: { code: /^(EACCES|EPERM|EROFS)$/, syscall: ofFiles },
      as: "SYS_FILE_DENIED",
      says: "A file or folder may not be read or written: {}.",
    },
    { when: { code: /^(ENOSPC|EDQUOT)$/ }, as: "SYS_DISK_FULL", says: "The disk is full: {}." },
    { when: { code: /^(EMFILE|ENFILE)$/ }, as: "SYS_FILES_EXHAUSTED", says: "Too many files are open: {}." },
    {
      when: {
        code: /^(EIO|EISDIR|ENOTDIR|EEXIST|ENOTEMPTY|EBUSY|ENAMETOOLONG|ELOOP|EFBIG|EXDEV|ETXTBSY|EBADF)$/,
      },
      as: "SYS_DISK",
      says: "A file or folder could not be read or written: {}.",
    },
    { when: { code: /^EADDRINUSE$/ }, as: "API_CANNOT_LISTEN", says: "The address is taken: {}." },
    {
      when: { code: brokenCertificate },
      as: "SYS_NETWORK",
      says: "A certificate was refused: {}.",
    },
    {
      when: {
        code: /^(UND_ERR_|ECONN|EPIPE|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|EPROTO|EADDRNOTAVAIL|ERR_SSL|ERR_SOCKET|ERR_STREAM)/,
      },
      as: "SYS_NETWORK",
      says: "A connection failed: {}.",
    },
    {
      when: { code: /^(ENOMEM|ERR_MEMORY_ALLOCATION_FAILED|ERR_BUFFER_TOO_LARGE|ERR_STRING_TOO_LONG)$/ },
      as: "SYS_MEMORY",
      says: "This process is out of memory: {}.",
    },
    {
      when: {
        name: /^RangeError$/,
        message: /Invalid (string|array|typed array) (length|buffer)|allocation failed/i,
      },
      as: "SYS_MEMORY",
      says: "This process is out of memory: {}.",
    },
    {
      when: { code: brokenCompression },
      as: "VAL_COMPRESSED",
      says: "Compressed data cannot be unpacked: {}.",
    },
    // Its text quotes the input.
    {
      when: { name: /^SyntaxError$/, message: /JSON|Unexpected (token|end|string|number)/ },
      as: "VAL_JSON",
      says: "A text is not valid JSON.",
    },
    // zod's own text is a list of issues and may contain values.
    {
      when: { name: /^\$?ZodError$/ },
      as: "VAL_SCHEMA",
      says: "A value does not have the required structure.",
    },
  ],
};
