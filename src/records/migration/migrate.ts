/**
 * Moves a provider's records from the layout of schema version 1 to this one, some at a time, while readers go on. Each step
 * is one script that moves a record whole or not at all, so any number of processes may do it at once, and one that is
 * killed is continued by the next. Content, times and cursors of the change feed stay as they are; nothing is told to the
 * change feed.
 *
 * No batch commits meanwhile: workers of both versions wait (workers/migration.ts).
 */
import { UeeError } from "../../core/errors.ts";
import { loadScript } from "../../redis/scripts.ts";
import { CanonicalWriter } from "../canonicalWriter.ts";
import { baseText } from "../content.ts";
import { DIGEST_BYTES } from "../digest.ts";
import { FrameWriter } from "../frame.ts";
import { fitsInline, packInline, packReferenced, packTimes } from "../indexEntry.ts";
import { chunksOf, type StoreContext } from "../storeContext.ts";
import { readLayout1Entry, readLayout1Record } from "./layout1.ts";

const migrateScript = loadScript(new URL("../lua/migrate-n.lua", import.meta.url));

/** Records a step: a millisecond or two of the server's time. */
const STEP_RECORDS = 32;
const SCAN_COUNT = 500;

export interface MigrationStep {
  /** Records moved so far by this process, and those that are left. */
  moved: number;
  left: number;
}

/** Records that still have the older layout. */
export const recordsToMigrate = ({ redis, keys }: StoreContext): Promise<number> =>
  redis.hlen(keys.layout1.index);

/** Moves all that is left; yields after each page. Records that cannot be read are dropped and passed to `onDamaged`. */
export async function* migrateRecords(
  context: StoreContext,
  onDamaged: (id: string, error: UeeError) => void,
): AsyncGenerator<MigrationStep> {
  const { redis, keys } = context;
  const writer = new CanonicalWriter();
  const frame = new FrameWriter();
  let moved = 0;
  // A walk over a hash that others empty meanwhile may pass some by.
  while ((await recordsToMigrate(context)) > 0) {
    let cursor = "0";
    do {
      const [next, flat] = (await redis.hscanBuffer(keys.layout1.index, cursor, "COUNT", SCAN_COUNT)) as [
        Buffer,
        Buffer[],
      ];
      cursor = next.toString();
      const page: Layout1Place[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) {
        page.push({ id: flat[i]!.toString(), packed: flat[i + 1]! });
      }
      for (const step of chunksOf(page, STEP_RECORDS)) {
        moved += await moveStep(context, { writer, frame }, step, onDamaged);
      }
      yield { moved, left: await recordsToMigrate(context) };
    } while (cursor !== "0");
  }
  await redis.unlink(keys.layout1.changed);
}

interface Layout1Place {
  readonly id: string;
  readonly packed: Buffer;
}

/** Returns how many were moved. */
async function moveStep(
  context: StoreContext,
  { writer, frame }: { writer: CanonicalWriter; frame: FrameWriter },
  step: readonly Layout1Place[],
  onDamaged: (id: string, error: UeeError) => void,
): Promise<number> {
  const { redis, keys } = context;
  const hashes = await Promise.all(step.map(({ id }) => redis.hgetallBuffer(keys.layout1.record(id))));
  const damaged: { id: string; error: UeeError }[] = [];
  const recordKeys: string[] = [];
  frame.reset();
  step.forEach(({ id, packed }, i) => {
    try {
      const written = migrated(context, writer, id, packed, hashes[i]!);
      frame.text(id).bytes(packed).latin1(written.entry).bytes(written.content);
      recordKeys.push(keys.layout1.record(id), keys.indexBucket(id), keys.record(id));
    } catch (error) {
      if (!(error instanceof UeeError)) throw error;
      damaged.push({ id, error });
    }
  });
  const total = recordKeys.length / 3;
  const frameBytes = frame.cut();
  for (const { id, error } of damaged) {
    // Another process moved it between our two reads.
    if ((await redis.hexists(keys.layout1.index, id)) === 0) continue;
    // The next run brings the record again: nothing may claim until then that the store equals an edition.
    await redis.multi().hdel(keys.meta, "changeKey").hdel(keys.layout1.index, id).exec();
    onDamaged(id, error);
  }
  if (total === 0) return 0;
  const fixed = [keys.meta, keys.layout1.index, keys.layout1.changed];
  return Number(await migrateScript.run(redis, [...fixed, ...recordKeys], [total, frameBytes]));
}

function migrated(
  { content }: StoreContext,
  writer: CanonicalWriter,
  id: string,
  packed: Buffer,
  hash: Record<string, Buffer>,
): { entry: string; content: Buffer } {
  const old = readLayout1Entry(packed);
  const record = readLayout1Record(id, hash);
  writer.writeRecord(record.data);
  const element = content.encode(baseText(writer.bytes.subarray(0, writer.length), record.aliases));
  const times = packTimes(record);
  if (fitsInline(element.length, old.lastModified)) {
    return { entry: packInline(old) + times + element.toString("latin1"), content: Buffer.alloc(0) };
  }
  const digests = { version: old.digestVersion, record: old.digest.slice(0, DIGEST_BYTES), text: "" };
  return { entry: packReferenced(old, digests) + times, content: element };
}
