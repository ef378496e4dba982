/**
 * All bounds on data from upstreams. They keep a worker below 300 MB for any input and leave at least five times the
 * room that the current feeds need. A record beyond `record` is set aside alone; anything else beyond its bound is
 * refused as a whole, with PROV_BODY_TOO_LARGE unless stated otherwise.
 */
const KB = 1024;
const MB = 1024 * KB;

export const bounds = {
  /** Bounds of one record. The largest in current feeds has 3 MB, 40,000 values, depth 12 and 40 fields. */
  record: {
    /** Bytes of its source text. */
    bytes: 8 * MB,
    /** Levels of lists and objects including the record itself: readers recurse to this depth. */
    depth: 256,
    /** Lists, objects and scalars, all levels. */
    values: 250_000,
    /** Members at the top level; a commit stores their number in 16 bits. */
    fields: 4096,
    /** Characters of a top-level member's name: it names a field of a Redis hash and stands in the change feed. */
    nameLength: 1024,
    /** Characters of an id: it is part of keys and URNs. */
    idLength: 256,
    aliases: 256,
    aliasLength: 256,
    /** Records that it may name and be found by in the graph; further ones are not linked. CWE's largest view has 157. */
    links: 1024,
    /** Bytes that are kept of a record larger than `bytes`. */
    keptBytes: 64 * KB,
  },
  /** One answer of a paged API; a page with a single record may be larger, its record is then set aside. */
  pageBytes: 16 * MB,
  /** A JSON document that is read record by record. ATT&CK's largest has 50 MB. */
  documentBytes: 256 * MB,
  /** A year feed of NVD: packed and unpacked. It is read record by record; the largest has 25 MB and 300 MB. */
  feed: { packedBytes: 256 * MB, bytes: 2048 * MB },
  /** A JSON document that is parsed as a whole: ATT&CK's index has 30 KB. */
  indexBytes: 4 * MB,
  /** A catalogue as downloaded: held in memory until its digest is known. CWE and CAPEC have at most 16 MB. */
  catalogueBytes: 64 * MB,
  /** A zip as downloaded: 2 MB today. */
  zipBytes: 32 * MB,
  zipEntries: 1000,
  /** Inflated size of the single file in a zip. */
  inflatedBytes: 64 * MB,
  tarFiles: 500_000,
  /** Characters of one line of a text file. */
  lineLength: 8 * MB,
  /** Records of one snapshot. */
  snapshotRecords: 500_000,
  json: {
    /** A member of the document that is read in addition to its lists. */
    memberBytes: 64 * KB,
  },
  xml: {
    /** Elements of the whole document: CWE has 260,000. */
    elements: 3_000_000,
    /** Open elements at once; beyond: PROV_BAD_XML. */
    depth: 25_000,
    /** Characters of one name, comment, instruction or text outside of records; beyond: PROV_BAD_XML. */
    tokenLength: 8 * MB,
  },
} as const;
