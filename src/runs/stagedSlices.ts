/**
 * Claim-check slices: what a snapshot's download was cut into, compressed, beside the run. They are kept while a batch or
 * a dead letter refers to them, then cleaned with the run.
 */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { StagedSlice } from "../providers/contract.ts";
import type { ProviderKeys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";

const stageScript = loadScript(new URL("./lua/stageSlice-3.lua", import.meta.url));
const compress = promisify(gzip);
const inflate = promisify(gunzip);

export class StagedSlices {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async stage(runId: string, name: string, slice: StagedSlice): Promise<void> {
    const run = this.#keys.run(runId);
    const packed = await compress(JSON.stringify(slice), { level: 3 });
    const reply = await stageScript.run(
      this.#redis,
      [run.run, run.stagedNames, run.staged(name)],
      [name, packed],
    );
    if (Number(reply) < 0) throw new UeeError("STOR_RUN_CLOSED", "The run is closed; staging refused.");
  }

  async load(runId: string, name: string): Promise<{ slice: StagedSlice; bytes: number }> {
    const packed = await this.#redis.getBuffer(this.#keys.run(runId).staged(name));
    if (packed === null) throw new UeeError("STOR_STAGE_LOST", `Slice ${name} of run ${runId} is gone.`);
    try {
      const text = await inflate(packed);
      return { slice: JSON.parse(text.toString("utf8")) as StagedSlice, bytes: text.length };
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
