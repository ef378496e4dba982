/** Runs whose records the caller brings: everything is staged first, then the run opens with the batches that commit it. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import { SourceText } from "../core/sourceText.ts";
import { bundleBatches } from "../runs/bundleBatches.ts";
import { openPrepared } from "../runs/openRun.ts";
import { newRunId } from "../runs/runs.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { Engine, PreparedRunHandle } from "./api.ts";

const SLICE_RECORDS = 2_000;
const SLICE_CHARACTERS = 2 * 1024 * 1024;
const LOOK_MS = 500;

type Prepare = Parameters<Engine["prepareRun"]>;

export async function prepareRun(
  context: ProviderContext,
  request: Prepare[0],
  records: Prepare[1],
  { signal, onWaiting }: Prepare[2],
): Promise<PreparedRunHandle> {
  const { provider, source, runs, queue, governor, stagedSlices } = context;
  const { bundle, note, allowOlder, allowShrink, reason } = request;
  for (let told = false; ; told = true) {
    await governor.refuseIfPaused();
    const openId = await runs.openRunId();
    if (openId === null) break;
    const open = await runs.read(openId);
    if (open?.bundle?.id === bundle.id && open.state !== "closed") {
      const joined = { runId: openId, joined: true, mode: open.mode };
      return { open: async () => joined, discard: async () => undefined };
    }
    if (!told) onWaiting?.(openId);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {
      throw new UeeError("SYS_INTERRUPTED");
    });
  }
  // Everything counts as fetched at this moment, and the run opens only if it is the provider's last one by then.
  const fetchedAt = await runs.tick();
  const runId = newRunId(provider.name, new Date(await runs.now()).toISOString());
  const discard = () => stagedSlices.clean(runId);
  try {
    const slices = await stage(context, runId, fetchedAt, records(), signal);
    const total = slices.reduce((sum, slice) => sum + slice.records, 0);
    const prepared = { runId, clock: fetchedAt.toFixed(0), bundle, note };
    const actor = { kind: "person" as const, name: request.actor ?? "library" };
    return {
      discard,
      async open() {
        await governor.refuseIfPaused();
        const plan = bundleBatches(slices, total);
        const wanted = { allowShrink, allowOlder, actor, reason, prepared, plan };
        const opened = await openPrepared(provider, source, context, queue, wanted);
        if (opened) await governor.runOpened(actor, reason);
        return opened;
      },
    };
  } catch (error) {
    // What cannot be dropped now expires.
    await discard().catch(() => undefined);
    throw error;
  }
}

async function stage(
  { stagedSlices }: ProviderContext,
  runId: string,
  fetchedAt: number,
  all: AsyncIterable<{ id: string; text: string }>,
  signal: AbortSignal,
): Promise<{ name: string; records: number }[]> {
  const slices: { name: string; records: number }[] = [];
  let records: SourceText[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    const name = String(slices.length + 1).padStart(4, "0");
    await stagedSlices.prepare(runId, name, { fetchedAt, records });
    slices.push({ name, records: records.length });
    [records, size] = [[], 0];
  };
  for await (const { id, text } of all) {
    if (signal.aborted) throw new UeeError("SYS_INTERRUPTED");
    records.push(SourceText.of(text, id));
    size += text.length;
    if (records.length >= SLICE_RECORDS || size >= SLICE_CHARACTERS) await flush();
  }
  if (records.length > 0) await flush();
  return slices;
}
