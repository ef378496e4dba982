/** Writes the verified records of the mirror into a bundle, or what changed of them since an older bundle. */
import type { KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import { canonicalJson } from "../../core/json.ts";
import { sha256 } from "../../core/sha256.ts";
import type { Engine, VerifiedState } from "../../engine/api.ts";
import { version } from "../../engine/version.ts";
import { lineWith } from "../../records/exportLine.ts";
import { ArchiveWriter } from "./archive.ts";
import {
  type Bundle,
  type BundledFile,
  type BundledProvider,
  type BundledRecord,
  digestOf,
  FORMAT,
  indexLine,
  manifestFiles,
  Tally,
} from "./bundle.ts";

/** Characters of a file of lines before it is packed. */
const LINES_CHARACTERS = 4 * 1024 * 1024;
/** Times that a provider is read again because a run opened meanwhile. */
const TRIES = 20;
const LOOK_MS = 500;
const packed = promisify(gzip);

export interface CreateOptions {
  engine: Engine;
  path: string;
  providers: readonly string[];
  /** Only what changed since this one. */
  since?: Bundle | undefined;
  /** Private key of the signature. */
  key?: KeyObject | undefined;
  signal: AbortSignal;
  /** Told once for each run that is waited for. */
  onWaiting?: (provider: string, runId: string) => void;
}

export interface CreatedBundle {
  id: string;
  createdAt: string;
  bytes: number;
  providers: BundledProvider[];
}

/** @throws UeeError PROV_UNVERIFIED naming every provider that has no verified run, PROV_RUN_OPEN */
export async function createBundle(options: CreateOptions): Promise<CreatedBundle> {
  const { engine, path, providers, since, key } = options;
  const states = await Promise.all(providers.map((name) => engine.records.verified(name)));
  const missing = providers.filter((_, i) => states[i]!.verifiedAt === null);
  if (missing.length > 0) {
    throw new UeeError("PROV_UNVERIFIED", `Never verified complete: ${missing.join(", ")}.`);
  }
  const archive = await ArchiveWriter.create(path);
  try {
    const files: BundledFile[] = [];
    const bundled: BundledProvider[] = [];
    for (const name of providers) bundled.push(await atOneMoment(options, name, archive, files));
    const createdAt = new Date().toISOString();
    const base = bundled.some((one) => one.base !== undefined) ? { base: since!.id } : {};
    const manifest = {
      format: FORMAT,
      uee: version(),
      createdAt,
      ...base,
      providers: bundled,
      files,
    } as const;
    const last = manifestFiles(manifest, key);
    for (const { name, content } of last) await archive.add(name, content);
    await archive.finish();
    return { id: sha256(last[0]!.content), createdAt, bytes: archive.size, providers: bundled };
  } catch (error) {
    await archive.discard();
    throw error;
  }
}

/** Writes a provider's records as they are while no run is open; what was written is taken back when one opens. */
async function atOneMoment(
  options: CreateOptions,
  name: string,
  archive: ArchiveWriter,
  files: BundledFile[],
): Promise<BundledProvider> {
  const { engine } = options;
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await quiet(options, name);
    const mark = { size: archive.size, files: files.length };
    const written = await writeProvider(options, name, before, archive, files);
    // @safeguard bundle-of-one-moment
    if ((await engine.records.verified(name)).clock === before.clock) return written;
    await archive.rewind(mark.size);
    files.length = mark.files;
  }
  const said = `Runs of ${name} kept opening while it was read.`;
  throw new UeeError("PROV_RUN_OPEN", said);
}

/** The provider's state as soon as no run is open. @throws UeeError PROV_PAUSED while an operator holds the open run */
async function quiet({ engine, signal, onWaiting }: CreateOptions, name: string): Promise<VerifiedState> {
  for (let told = false; ; told = true) {
    const state = await engine.records.verified(name);
    if (state.openRun === null) return state;
    const { state: run } = await engine.runProgress(name, state.openRun);
    if (run === "paused") {
      throw new UeeError(
        "PROV_PAUSED",
        `${name} is paused within the run ${state.openRun}: it is not of one moment.`,
      );
    }
    if (!told) onWaiting?.(name, state.openRun);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {
      throw new UeeError("SYS_INTERRUPTED");
    });
  }
}

async function writeProvider(
  { engine, since, signal }: CreateOptions,
  name: string,
  { verifiedAt, watermark, edition }: VerifiedState,
  archive: ArchiveWriter,
  files: BundledFile[],
): Promise<BundledProvider> {
  const older = since?.provider(name);
  const before = older && since!.records(older);
  let known = await before?.next();
  let removed = 0;
  const tally = new Tally();
  const records = new Lines(`${name}/records-`, archive, files);
  const index = new Lines(`${name}/index-`, archive, files);
  let included = 0;
  for await (const record of engine.records.export(name, { signal })) {
    const text = canonicalJson(record.data);
    const now: BundledRecord = { id: record.id, digest: digestOf(text) };
    tally.add(now);
    for (; known && !known.done && known.value.id < now.id; known = await before!.next()) removed++;
    const same = known && !known.done && known.value.id === now.id ? known.value : undefined;
    if (same) known = await before!.next();
    if (older) await index.add(indexLine(now));
    if (same?.digest === now.digest) continue;
    included++;
    await records.add(lineWith(record, text));
  }
  for (; known && !known.done; known = await before!.next()) removed++;
  await records.flush();
  await index.flush();
  return {
    ...{
      name,
      records: tally.records,
      digest: tally.digest(),
      verifiedAt: verifiedAt!,
      watermark,
      edition,
      included,
    },
    ...(older ? { base: { records: older.records, digest: older.digest, removed } } : {}),
  };
}

/** Lines in packed files of limited size. */
class Lines {
  readonly #prefix: string;
  readonly #archive: ArchiveWriter;
  readonly #files: BundledFile[];
  #lines: string[] = [];
  #characters = 0;
  #written = 0;

  constructor(prefix: string, archive: ArchiveWriter, files: BundledFile[]) {
    this.#prefix = prefix;
    this.#archive = archive;
    this.#files = files;
  }

  async add(line: string): Promise<void> {
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters >= LINES_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    const lines = this.#lines.length;
    if (lines === 0) return;
    const content = await packed(Buffer.from(`${this.#lines.join("\n")}\n`));
    const name = `${this.#prefix}${String(++this.#written).padStart(4, "0")}.ndjson.gz`;
    await this.#archive.add(name, content);
    this.#files.push({ name, bytes: content.length, sha256: sha256(content), lines });
    this.#lines = [];
    this.#characters = 0;
  }
}
