/**
 * A bundle: the records of a verified mirror in one file, or what changed of them since an older bundle. docs/bundles.md
 * describes the format.
 *
 *   <provider>/records-0001.ndjson.gz   lines of `uee export`, in the order of the ids
 *   <provider>/index-0001.ndjson.gz     deltas: id and digest of every record, those of the older bundle included
 *   manifest.json                       what is in it; its own SHA-256 and signature follow
 *
 * Everything is checked from the outside in: the form of the tar, the manifest's digest and signature, the digests of the
 * files, then each line, the counts and the digest over all records.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { z } from "zod";
import type { Edition } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { sha256 } from "../../core/sha256.ts";
import { parseUrn } from "../../core/urn.ts";
import type { StoredRecord } from "../../records/contract.ts";
import { exportLine, splitLine } from "../../records/exportLine.ts";
import { type ArchiveFile, damaged, readArchive } from "./archive.ts";

export const FORMAT = 1;
const MANIFEST = "manifest.json";
const DIGEST = "manifest.sha256";
const SIGNATURE = "manifest.sig";
/** Unpacked size of a file of lines: those that UEE writes end after 4 MB and one more line. */
const LINES_BYTES = 64 * 1024 * 1024;

const count = z.int().min(0);
const hex = (characters: number) => z.string().regex(new RegExp(`^[0-9a-f]{${characters}}$`));
const time = z.iso.datetime();
const names = z.record(z.string(), z.string());

const edition = z.object({
  version: z.string().optional(),
  date: z.string().optional(),
  lastModified: z.string().optional(),
  digest: z.string().optional(),
  metadata: names.optional(),
  parts: z.record(z.string(), names).optional(),
}) as z.ZodType<Edition>;

const providerSchema = z.object({
  name: z.string().regex(/^[a-z][a-z0-9]*$/),
  /** Records that the mirror has, and the digest over all of them. */
  records: count.min(1),
  digest: hex(64),
  verifiedAt: time,
  watermark: z.string().nullable(),
  edition: edition.nullable(),
  /** Records in this bundle: all, or in a delta those that are new or changed. */
  included: count,
  /** Deltas: what the older bundle says, and how many of its records are gone. */
  base: z.object({ records: count, digest: hex(64), removed: count }).optional(),
});

const manifestSchema = z.object({
  format: z.literal(FORMAT),
  uee: z.string(),
  createdAt: time,
  /** Deltas: id of the older bundle. */
  base: hex(64).optional(),
  providers: z.array(providerSchema).min(1),
  files: z.array(z.object({ name: z.string(), bytes: count, sha256: hex(64), lines: count })),
  /** The key of the signature, PEM. */
  publicKey: z.string().optional(),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type BundledProvider = z.infer<typeof providerSchema>;
export type BundledFile = Manifest["files"][number];

/** @throws UeeError VAL_BUNDLE_KEY, SYS_FILE_MISSING */
export async function readKey(path: string, kind: "private" | "public"): Promise<KeyObject> {
  const pem = await readFile(path);
  let key: KeyObject;
  try {
    key = kind === "private" ? createPrivateKey(pem) : createPublicKey(pem);
  } catch (cause) {
    throw new UeeError("VAL_BUNDLE_KEY", `${path} holds no ${kind} key in PEM without a password.`, {
      cause,
    });
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new UeeError("VAL_BUNDLE_KEY", `The key in ${path} is ${key.asymmetricKeyType}, not Ed25519.`);
}

/** What people compare keys by: the start of the SHA-256 of its DER form. */
const keyName = (key: KeyObject): string => sha256(derOf(key)).slice(0, 16);
const derOf = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });

/** The last files of a bundle: the manifest, its digest and, with a private key, its signature. */
export function manifestFiles(manifest: Manifest, key?: KeyObject): ArchiveFile[] {
  const publicKey = key && createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
  const text = JSON.stringify({ ...manifest, ...(publicKey ? { publicKey } : {}) }, null, 2);
  const content = Buffer.from(`${text}\n`);
  const files = [
    { name: MANIFEST, content },
    { name: DIGEST, content: Buffer.from(`${sha256(content)}  ${MANIFEST}\n`) },
  ];
  return key ? [...files, { name: SIGNATURE, content: signBytes(null, content, key) }] : files;
}

/** One record of the mirror that a bundle describes. */
export interface BundledRecord {
  id: string;
  digest: string;
  /** Canonical JSON of its data; absent in a delta where it is that of the older bundle. */
  text?: string;
}

/** The digest of a record, from the canonical JSON of its data. */
export const digestOf = (text: string): string => sha256(text).slice(0, 32);
export const indexLine = ({ id, digest }: BundledRecord): string => JSON.stringify({ id, digest });

/** Counts records in the order of their ids; its digest is that of their index lines. */
export class Tally {
  records = 0;
  readonly #hash = createHash("sha256");
  #last = "";

  add(record: BundledRecord): void {
    if (this.records > 0 && record.id <= this.#last) throw damaged(`${record.id} is out of order.`);
    this.#last = record.id;
    this.records++;
    this.#hash.update(`${indexLine(record)}\n`);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}

const gunzipped = promisify(gunzip);

/** A bundle whose form, manifest, signature and files are as they were written. */
export class Bundle {
  /** SHA-256 of the manifest. */
  readonly id: string;
  readonly manifest: Manifest;
  /** Name of the key that signed it; null: it is not signed. */
  readonly signedBy: string | null;
  readonly #path: string;
  readonly #sha256: string;

  private constructor(path: string, sha: string, manifest: Manifest, id: string, signedBy: string | null) {
    this.#path = path;
    this.#sha256 = sha;
    this.manifest = manifest;
    this.id = id;
    this.signedBy = signedBy;
  }

  /**
   * @param publicKey with it, only a bundle that this key signed is opened
   * @throws UeeError VAL_BUNDLE, VAL_BUNDLE_NEWER, VAL_BUNDLE_SIGNATURE
   */
  static async open(path: string, publicKey?: KeyObject): Promise<Bundle> {
    const files = new Map<string, { bytes: number; sha256: string }>();
    const last = new Map<string, Buffer>();
    const archive = readArchive(path);
    let next = await archive.next();
    for (; !next.done; next = await archive.next()) {
      const { name, content } = next.value;
      if (files.has(name)) throw damaged(`${name} is in the file twice.`);
      files.set(name, { bytes: content.length, sha256: sha256(content) });
      if ([MANIFEST, DIGEST, SIGNATURE].includes(name)) last.set(name, content);
    }
    const content = last.get(MANIFEST);
    if (content === undefined) throw damaged(`The file holds no ${MANIFEST}: it is no bundle.`);
    const id = sha256(content);
    // @safeguard bundle-manifest-digest
    if (last.get(DIGEST)?.toString("latin1") !== `${id}  ${MANIFEST}\n`) {
      throw damaged(`${MANIFEST} is not what ${DIGEST} names.`);
    }
    const manifest = parseManifest(content);
    const written = manifest.files.map(({ name }) => name).concat([...last.keys()]);
    if (written.join() !== [...files.keys()].join())
      throw damaged("It holds other files than its manifest names.");
    for (const { name, ...expected } of manifest.files) {
      const found = files.get(name)!;
      // @safeguard bundle-file-digest
      if (found.sha256 !== expected.sha256 || found.bytes !== expected.bytes) {
        throw damaged(`${name} is not what the manifest names.`);
      }
    }
    const signedBy = signerOf(content, manifest.publicKey, last.get(SIGNATURE), publicKey);
    return new Bundle(path, next.value, manifest, id, signedBy);
  }

  provider(name: string): BundledProvider | undefined {
    return this.manifest.providers.find((one) => one.name === name);
  }

  /**
   * Every record of the mirror by id. With `strict` each line must be exactly the one that `uee export` prints; what
   * the lines add up to is checked at the end.
   */
  async *records(of: BundledProvider, { strict = false } = {}): AsyncGenerator<BundledRecord> {
    const tally = new Tally();
    let included = 0;
    const held = this.#held(of, strict);
    if (of.base === undefined) {
      for await (const record of held) {
        included++;
        tally.add(record);
        yield record;
      }
    } else {
      let next = await held.next();
      for await (const record of this.#index(of)) {
        tally.add(record);
        if (next.done || next.value.id !== record.id) yield record;
        else {
          if (next.value.digest !== record.digest) throw damaged(`${record.id} is not what the index names.`);
          included++;
          yield next.value;
          next = await held.next();
        }
      }
      if (!next.done) throw damaged(`${next.value.id} is not in the index, or out of order.`);
    }
    // @safeguard bundle-record-digest
    if (tally.records !== of.records || included !== of.included || tally.digest() !== of.digest) {
      throw damaged(`The records of ${of.name} are not those that the manifest counts.`);
    }
  }

  /** Reads every record. @throws UeeError VAL_BUNDLE */
  async verify(signal?: AbortSignal): Promise<void> {
    for (const provider of this.manifest.providers) {
      for await (const _ of this.records(provider, { strict: true })) signal?.throwIfAborted();
    }
  }

  async *#held(of: BundledProvider, strict: boolean): AsyncGenerator<Required<BundledRecord>> {
    for await (const line of this.#lines(`${of.name}/records-`)) {
      const { id, text } = (strict ? checkedLine(line, of.name) : splitLine(line))!;
      yield { id, text, digest: digestOf(text) };
    }
  }

  async *#index(of: BundledProvider): AsyncGenerator<BundledRecord> {
    const shape = z.strictObject({ id: z.string(), digest: hex(32) });
    for await (const line of this.#lines(`${of.name}/index-`)) {
      const parsed = shape.safeParse(jsonOf(line));
      if (!parsed.success) throw damaged(`A line of the index of ${of.name} cannot be read.`);
      yield parsed.data;
    }
  }

  async *#lines(prefix: string): AsyncGenerator<string> {
    const archive = readArchive(this.#path);
    let next = await archive.next();
    try {
      for (; !next.done; next = await archive.next()) {
        const { name, content } = next.value;
        if (!name.startsWith(prefix)) continue;
        const bytes = await gunzipped(content, { maxOutputLength: LINES_BYTES }).catch((cause: unknown) => {
          throw damaged(`${name} cannot be unpacked.`, cause);
        });
        let lines = 0;
        for (let from = 0; from < bytes.length; lines++) {
          const end = bytes.indexOf(0x0a, from);
          if (end < 0) throw damaged(`${name} ends within a line.`);
          yield bytes.toString("utf8", from, end);
          from = end + 1;
        }
        if (lines !== this.manifest.files.find((file) => file.name === name)?.lines) {
          throw damaged(`${name} has ${lines} lines; the manifest counts others.`);
        }
      }
    } finally {
      await archive.return("");
    }
    // @safeguard bundle-unchanged
    if (next.done && next.value !== this.#sha256) throw damaged("The file was changed while it was read.");
  }
}

function parseManifest(content: Buffer): Manifest {
  const value = jsonOf(content.toString("utf8")) as { format?: unknown; uee?: unknown } | undefined;
  if (typeof value?.format === "number" && value.format > FORMAT) {
    const detail = `The bundle has format ${value.format} of UEE ${value.uee}; this UEE reads format ${FORMAT}.`;
    throw new UeeError("VAL_BUNDLE_NEWER", detail);
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw damaged(`The manifest is not valid: ${parsed.error.issues[0]?.path.join(".")}.`, parsed.error);
}

function signerOf(
  content: Buffer,
  pem: string | undefined,
  signature: Buffer | undefined,
  wanted: KeyObject | undefined,
): string | null {
  if (pem === undefined || signature === undefined) {
    if (pem !== undefined || signature !== undefined) throw damaged("The signature or its key is missing.");
    if (wanted === undefined) return null;
    throw new UeeError("VAL_BUNDLE_SIGNATURE", "The bundle is not signed.");
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw damaged("The key of the signature cannot be read.", cause);
  }
  // @safeguard bundle-other-key
  if (wanted !== undefined && !derOf(wanted).equals(derOf(key))) {
    throw new UeeError("VAL_BUNDLE_SIGNATURE", `The bundle is signed with another key, ${keyName(key)}.`);
  }
  // @safeguard bundle-signature
  if (!verifyBytes(null, content, key, signature)) throw damaged("The signature does not fit the manifest.");
  return keyName(key);
}

/** A line exactly as `uee export` prints it. */
function checkedLine(line: string, provider: string): { id: string; text: string } {
  const record = jsonOf(line) as StoredRecord | undefined;
  const found = record && typeof record === "object" && exportLine(record) === line && splitLine(line);
  const urn = found && parseUrn(String(record.urn));
  if (!urn || urn.type !== provider || urn.id !== found.id || found.provider !== provider) {
    throw damaged(`A line of ${provider} is not as UEE writes it: ${line.slice(0, 80)}`);
  }
  return found;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
