/**
 * What each file of a snapshot held, beside the change key that names the lists: a file that has not changed is then not
 * read again, and its records count as seen. A list is named by its content, so that a process that stores or drops one late
 * does no harm: where a list is gone, its file is read.
 */

import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Redis } from "ioredis";
import { sha256 } from "../core/sha256.ts";
import type { FileList } from "../providers/contract.ts";
import type { ProviderKeys } from "../redis/keys.ts";

const compress = promisify(gzip);
const inflate = promisify(gunzip);

export class FileLists {
  readonly #redis: Redis;
  readonly #key: string;

  constructor(redis: Redis, { fileLists }: Pick<ProviderKeys, "fileLists">) {
    this.#redis = redis;
    this.#key = fileLists;
  }

  async load(name: string): Promise<FileList | undefined> {
    const packed = await this.#redis.hgetBuffer(this.#key, name);
    return packed === null ? undefined : (JSON.parse((await inflate(packed)).toString("utf8")) as FileList);
  }

  /** Drops all but these and those that are `named`. Returns the names of these. */
  async keep(lists: readonly FileList[], named: readonly string[]): Promise<string[]> {
    const stored = await this.#redis.hkeys(this.#key);
    const names: string[] = [];
    for (const list of lists) {
      const text = JSON.stringify(list);
      const name = sha256(text).slice(0, 16);
      names.push(name);
      if (!stored.includes(name)) await this.#redis.hset(this.#key, name, await compress(text));
    }
    const kept = new Set([...names, ...named]);
    const others = stored.filter((name) => !kept.has(name));
    if (others.length > 0) await this.#redis.hdel(this.#key, ...others);
    return names;
  }

  async drop(): Promise<void> {
    await this.#redis.unlink(this.#key);
  }
}
