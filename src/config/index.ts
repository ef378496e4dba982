export {
  type ConfigRow,
  describeConfig,
  type FieldDescription,
  redactedView,
  secretsOf,
  surroundings,
} from "./describe.ts";
export { effectiveRate, feedsUrlOf } from "./fields.ts";
export {
  type Config,
  type LoadedConfig,
  type LoadInput,
  loadConfig,
  type Origin,
  type ProviderConfig,
} from "./load.ts";
export { formatRate, parseBytes, parseRate, type Rate, type RateSetting } from "./values.ts";
