/** The engine's settings as the configuration has them. */
import type { Config } from "../config/index.ts";
import type { EngineSettings } from "../engine.ts";
import type { AnyProvider } from "../providers/contract.ts";
import { providers as registered } from "../providers/registry.ts";

export const isKeyless = ({ nvdApiKey, providers: own }: Config): boolean =>
  nvdApiKey === undefined && own.cve?.url === undefined && own.cve?.rate === undefined;

/** @param providers those that the configuration was read for */
export function engineSettings(
  config: Config,
  providers: readonly AnyProvider[] = registered,
): EngineSettings {
  const own = Object.fromEntries(
    providers.map(({ name, upstream }) => {
      const { url, rate, pageSize, schedule, fullSchedule } = config.providers[name] ?? {};
      const apiKey = upstream.apiKeyEnv === "NVD_API_KEY" ? config.nvdApiKey : undefined;
      return [
        name,
        {
          ...(url === undefined ? {} : { url }),
          ...(apiKey === undefined ? {} : { apiKey }),
          ...(rate === undefined ? {} : { rate }),
          ...(pageSize === undefined ? {} : { pageSize }),
          ...(schedule || fullSchedule ? { schedule: { incremental: schedule, full: fullSchedule } } : {}),
        },
      ];
    }),
  );
  return {
    prefix: config.prefix,
    providers: own,
    concurrency: config.concurrency,
    inflightBytes: config.inflightBytes,
    permits: config.permits,
    errorRate: config.errorRate,
    errorMinimum: config.errorMinimum,
    deadLetterLimit: config.deadLetterLimit,
    deadLetterBytes: config.deadLetterBytes,
    bufferRecords: config.bufferRecords,
    schedules: config.schedules === "on",
    waitScale: config.waitScale,
    changesLimit: config.changesLimit,
    timeouts: {
      connectMs: config.connectTimeout,
      headersMs: config.headersTimeout,
      idleMs: config.idleTimeout,
      totalMs: config.totalTimeout,
    },
  };
}
