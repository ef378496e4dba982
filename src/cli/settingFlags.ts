/**
 * Every setting is also a flag. The frequent ones are always known; the others are looked up in the configuration's
 * schema only when a flag is unknown to the command, so that a usual start loads no schema.
 */
export interface SettingFlag {
  /** In commander's notation: `--data-dir <path>`. */
  flags: string;
  description: string;
}

export const commonSettings: readonly SettingFlag[] = [
  { flags: "--redis-url <url>", description: "Redis to use, instead of REDIS_URL" },
  { flags: "--data-dir <path>", description: "where a local Redis keeps its data (default: ./.uee)" },
  { flags: "--prefix <name>", description: "prefix of all keys and queues (default: uee)" },
  { flags: "--log-level <level>", description: "fatal, error, warn, info, debug, trace or silent" },
];

export async function allSettings(): Promise<SettingFlag[]> {
  const { allFields, flagOf, metaOf } = await import("../config/fields.ts");
  const { providers } = await import("../providers/registry.ts");
  return Object.entries(allFields(providers)).map(([key, type]) => ({
    flags: `${flagOf(key)} <value>`,
    description: metaOf(type).description,
  }));
}
