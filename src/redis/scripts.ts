/**
 * Lua scripts live in `.lua` files beside their typed wrappers, named `<command>-<number of keys>.lua`; a number of
 * keys that varies is written `-n`. A line `--- @include "name.lua"` is replaced by that file's text; the name is a
 * path from the including file. A line `--- @define name` is replaced by the local of that name out of `Definitions`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Redis } from "ioredis";

export type ScriptArg = string | number | Buffer;

export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
  /** Runs the script; replies are strings and numbers. */
  run(redis: Redis, keys: string[], args: ScriptArg[]): Promise<unknown>;
  /** Runs the script; bulk replies are Buffers. */
  runBuffer(redis: Redis, keys: string[], args: ScriptArg[]): Promise<unknown>;
}

/** Values that scripts define as locals: name → Lua expression. */
export type Definitions = Readonly<Record<string, string>>;

const includeLine = /^--- @include "([\w./-]+)"$/gm;
const defineLine = /^--- @define (\w+)$/gm;

function readSource(url: URL, definitions: Definitions): string {
  return readFileSync(url, "utf8")
    .replace(includeLine, (_line, name: string) => readSource(new URL(name, url), definitions))
    .replace(defineLine, (_line, name: string) => {
      if (definitions[name] === undefined) throw new Error(`${url.pathname}: no definition of ${name}`);
      return `local ${name} = ${definitions[name]}`;
    });
}

type Command<FileName extends string> = FileName extends `${infer Name}-${number | "n"}` ? Name : never;

/** The scripts of the folder `lua` beside the caller, by command: `loadScripts(import.meta.url, ["commit-4"]).commit`. */
export const loadScripts = <const FileName extends string>(
  caller: string,
  names: readonly FileName[],
  definitions?: Definitions,
): Readonly<Record<Command<FileName>, Script>> =>
  Object.fromEntries(
    names.map((name) => [
      name.replace(/-\w+$/, ""),
      loadScript(new URL(`./lua/${name}.lua`, caller), definitions),
    ]),
  ) as Record<Command<FileName>, Script>;

/** `loadScript(new URL("./lua/commit-4.lua", import.meta.url))` */
export function loadScript(url: URL, definitions: Definitions = {}): Script {
  const name = basename(url.pathname, ".lua");
  const count = /-(\d+|n)$/.exec(name)?.[1];
  if (count === undefined) throw new Error(`${name}.lua: the file name must end in its number of keys`);
  const source = readSource(url, definitions);
  const sha = createHash("sha1").update(source).digest("hex");
  const call = async (method: "call" | "callBuffer", redis: Redis, keys: string[], args: ScriptArg[]) => {
    if (count !== "n" && keys.length !== Number(count)) {
      throw new Error(`${name}.lua takes ${count} keys, ${keys.length} given`);
    }
    // In a cluster a script sees the keys of one slot only.
    const tag = keys[0]?.slice(0, keys[0].indexOf("}") + 1) ?? "";
    if (!keys.every((key) => key.startsWith(tag))) {
      throw new Error(`${name}.lua: its keys do not share the hash tag ${tag}`);
    }
    const rest = [keys.length, ...keys, ...args] as (string | number | Buffer)[];
    try {
      return await redis[method]("EVALSHA", [sha, ...rest]);
    } catch (error) {
      // A restarted or flushed server has lost the script: EVAL sends it again. Nothing has run yet.
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) {
        return await redis[method]("EVAL", [source, ...rest]);
      }
      throw error;
    }
  };
  return {
    name,
    source,
    sha,
    run: (redis, keys, args) => call("call", redis, keys, args),
    runBuffer: (redis, keys, args) => call("callBuffer", redis, keys, args),
  };
}
