/** A provider whose batches do nothing but take their time: what permits and machines do shows alone. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { defineProvider } from "../../src/providers/contract.ts";

export interface IdleOptions {
  batches: number;
  /** How long a batch takes, ms; or what it waits for. */
  takes: number | ((n: number, signal: AbortSignal) => Promise<void>);
}

export const idleProvider = (name: string, { batches, takes }: IdleOptions) =>
  defineProvider({
    name,
    authority: "test",
    version: 1,
    kind: "snapshot",
    upstream: {
      defaultUrl: "http://127.0.0.1:9/",
      urlEnv: `UEE_${name.toUpperCase()}_URL`,
      rate: { max: 50, windowMs: 30_000 },
    },
    batch: z.strictObject({ n: z.number() }),
    record: z.looseObject({ id: z.string() }),
    pageSize: 1,
    plan: () => Array.from({ length: batches }, (_, n) => ({ key: `slice/${n}`, size: 1, payload: { n } })),
    async extract({ n }, { signal }) {
      await (typeof takes === "number" ? sleep(takes, undefined, { signal }) : takes(n, signal));
      return {
        records: [{ id: `${name}-${n}` }],
        fetchedAt: Date.now() * 1000,
        facts: { group: "all", total: batches },
      };
    },
    transform: (raw) => {
      const { id } = raw as { id: string };
      return { id, lastModified: null, aliases: [], data: { id } };
    },
    identify: (raw) => (raw as { id?: string } | null)?.id,
    verify: ({ startedAt }) => ({ kind: "verified", watermark: startedAt }),
    normalizeId: (text) => text,
  });
