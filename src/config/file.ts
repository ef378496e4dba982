import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isObject, type JsonObject, whyNotJson } from "../core/json.ts";

const DEFAULT_CONFIG_FILE = "uee.config.json";

export interface ConfigFile {
  /** Absolute; undefined when there is none. */
  readonly path: string | undefined;
  /** Relative paths in the file are resolved against this folder. */
  readonly directory: string;
  readonly values: JsonObject;
  readonly problems: readonly string[];
}

/** `--config`, else UEE_CONFIG, else uee.config.json of the working directory if it exists. */
export function readConfigFile(input: {
  flag: unknown;
  flagName: string;
  env: NodeJS.ProcessEnv;
  cwd: string;
}): ConfigFile {
  const named =
    typeof input.flag === "string"
      ? { name: input.flag, by: input.flagName }
      : input.env.UEE_CONFIG?.trim()
        ? { name: input.env.UEE_CONFIG.trim(), by: "UEE_CONFIG" }
        : undefined;
  const path = resolve(input.cwd, named?.name ?? DEFAULT_CONFIG_FILE);
  const directory = dirname(path);
  if (named === undefined && !existsSync(path))
    return { path: undefined, directory, values: {}, problems: [] };
  const broken = (problem: string): ConfigFile => ({ path, directory, values: {}, problems: [problem] });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return broken(`${named ? `${named.by}: ` : ""}${path} cannot be read.`);
  }
  try {
    const values: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return isObject(values)
      ? { path, directory, values, problems: [] }
      : broken(`${path} must hold one JSON object, such as {"logLevel": "debug"}.`);
  } catch (error) {
    return broken(`${path} is not valid JSON: ${whyNotJson(error)}.`);
  }
}
