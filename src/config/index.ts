export {
  type ConfigRow,
  describeConfig,
  type FieldDescription,
  redactedView,
  secretsOf,
  surroundings,
} from "./describe.ts";
export { effectiveRate } from "./effectiveRate.ts";
export { loadConfig } from "./load.ts";
export type { Config, LoadedConfig, LoadInput, Origin, ProviderConfig } from "./types.ts";
export { formatRate, parseBytes, parseRate, type Rate, type RateSetting } from "./values.ts";
