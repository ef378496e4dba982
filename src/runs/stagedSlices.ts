/**
 * Claim-check slices: what a download was cut into, compressed, beside the run. They are kept while a batch or a dead
 * letter refers to them, then cleaned with the run.
 *
 * A slice is a line of JSON, which says what was measured of each record, and the records' bytes one after the other: a
 * slice that is read back is neither parsed nor measured again. Slices of older versions are one JSON text.
 */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { KeptRecord, type Refusal, type SourceFacts, SourceText } from "../core/sourceText.ts";
import type { StagedSlice } from "../providers/contract.ts";
import type { ProviderKeys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";

const stageScript = loadScript(new URL("./lua/stageSlice-3.lua", import.meta.url));
const compress = promisify(gzip);
const inflate = promisify(gunzip);
/** A slice lives for seconds: time matters more than size. zlib answers once for each piece of this size. */
const PACKING = { level: 1, chunkSize: 256 * 1024 };
const UNPACKING = { chunkSize: 1024 * 1024 };
const LINE_FEED = 0x0a;

/** The first line of a slice. */
interface Header {
  fetchedAt: number;
  /** How many bytes each record has, its id, and what was measured; `stub` and `refusal` where it was refused. Else its id. */
  records: (
    | string
    | { bytes: number; id?: string | undefined; facts: SourceFacts; stub?: JsonObject; refusal?: Refusal }
  )[];
}

/** A slice as older versions have staged it. */
interface TextSlice {
  fetchedAt: number;
  records: string[];
  ids?: (string | null)[];
  refused?: { place: number; stub: JsonObject; refusal: Refusal }[];
}

function packed({ fetchedAt, records }: StagedSlice): Buffer {
  const header: Header = {
    fetchedAt,
    records: records.map((record) => {
      if (record instanceof KeptRecord) return record.id;
      const { bytes, id, facts, stub, refusal } = record;
      return { bytes: bytes.length, id, facts, ...(refusal ? { stub, refusal } : {}) };
    }),
  };
  const bytes = records.flatMap((record) => (record instanceof KeptRecord ? [] : [record.bytes]));
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...bytes]);
}

function unpacked(text: Buffer): StagedSlice {
  const end = text.indexOf(LINE_FEED);
  if (end < 0) return fromText(JSON.parse(text.toString("utf8")) as TextSlice);
  const header = JSON.parse(text.toString("utf8", 0, end)) as Header;
  let from = end + 1;
  const records = header.records.map((record) => {
    if (typeof record === "string") return new KeptRecord(record);
    const { bytes, id, facts, stub, refusal } = record;
    from += bytes;
    return new SourceText(text.subarray(from - bytes, from), facts, stub, refusal, { id });
  });
  return { fetchedAt: header.fetchedAt, records };
}

function fromText({ fetchedAt, records, ids = [], refused = [] }: TextSlice): StagedSlice {
  const refusals = new Map(refused.map((one) => [one.place, one]));
  const sources = records.map((text, place) => {
    const known = refusals.get(place);
    return known
      ? SourceText.refused(text, known.stub, known.refusal)
      : SourceText.of(text, ids[place] ?? undefined);
  });
  return { fetchedAt, records: sources };
}

/** How long the slices of a run are kept that is being prepared. */
const PREPARED_SECONDS = 3_600;

export class StagedSlices {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async stage(runId: string, name: string, slice: StagedSlice): Promise<void> {
    const run = this.#keys.run(runId);
    const reply = await stageScript.run(
      this.#redis,
      [run.run, run.stagedNames, run.staged(name)],
      [name, await compress(packed(slice), PACKING)],
    );
    if (Number(reply) < 0) throw new UeeError("STOR_RUN_CLOSED", "The run is closed; staging refused.");
  }

  /** Stages a slice of a run that does not exist yet. It expires unless the run opens. */
  async prepare(runId: string, name: string, slice: StagedSlice): Promise<void> {
    const run = this.#keys.run(runId);
    const bytes = await compress(packed(slice), PACKING);
    const replies = await this.#redis
      .multi()
      .sadd(run.stagedNames, name)
      .expire(run.stagedNames, PREPARED_SECONDS)
      .set(run.staged(name), bytes, "EX", PREPARED_SECONDS)
      .exec();
    for (const [error] of replies ?? []) if (error) throw error;
  }

  async load(runId: string, name: string): Promise<{ slice: StagedSlice; bytes: number }> {
    const stored = await this.#redis.getBuffer(this.#keys.run(runId).staged(name));
    if (stored === null) throw new UeeError("STOR_STAGE_LOST", `Slice ${name} of run ${runId} is gone.`);
    try {
      const text = await inflate(stored, UNPACKING);
      return { slice: unpacked(text), bytes: text.length };
    } catch (cause) {
      throw new UeeError("STOR_CORRUPT", `Slice ${name} of run ${runId} cannot be read.`, { cause });
    }
  }

  /** Notes a digest in the run; true when it was noted before. Beside the slices' names, so that it goes with them. */
  async noteWrong(runId: string, sha256: string): Promise<boolean> {
    const added = await this.#redis.sadd(this.#keys.run(runId).stagedNames, `wrong-${sha256}`);
    return added === 0;
  }

  /** Does the run still have slices? */
  async any(runId: string): Promise<boolean> {
    return (await this.#redis.exists(this.#keys.run(runId).stagedNames)) === 1;
  }

  /** Nothing refers to the slice any more: its batch is committed. */
  async drop(runId: string, name: string): Promise<void> {
    const run = this.#keys.run(runId);
    await this.#redis.unlink(run.staged(name));
    await this.#redis.srem(run.stagedNames, name);
  }

  async clean(runId: string): Promise<void> {
    const run = this.#keys.run(runId);
    const names = await this.#redis.smembers(run.stagedNames);
    for (const name of names) await this.#redis.unlink(run.staged(name));
    await this.#redis.unlink(run.stagedNames);
  }
}
