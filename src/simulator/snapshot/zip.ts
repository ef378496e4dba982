/** Zip files, valid and invalid ones. */
import { crc32, deflateRawSync } from "node:zlib";

interface Entry {
  name: string;
  /** Uncompressed. */
  data: Buffer;
}

/** One deflated entry. `claim` states a wrong inflated size. */
export function zip({ name, data }: Entry, claim: { size?: number; crc?: number } = {}): Buffer {
  return assemble(name, deflateRawSync(data), claim.crc ?? crc32(data), claim.size ?? data.length);
}

function assemble(name: string, packed: Buffer, crc: number, size: number): Buffer {
  const title = Buffer.from(name, "utf8");
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0); // version needed
  common.writeUInt16LE(8, 4); // deflate
  common.writeUInt16LE(0x5a21, 8); // a date
  common.writeUInt32LE(crc >>> 0, 10);
  common.writeUInt32LE(packed.length, 14);
  common.writeUInt32LE(size, 18);
  common.writeUInt16LE(title.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), common, title]);
  const directory = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00", "latin1"),
    common,
    Buffer.alloc(14), // no comment, disk 0, attributes 0, offset 0
    title,
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(local.length + packed.length, 16);
  return Buffer.concat([local, packed, directory, end]);
}

const broken = {
  garbage: () => Buffer.alloc(4_096, "PK\x03\x04 but then nothing of the kind. "),
  crc: (entry: Entry) => zip(entry, { crc: crc32(entry.data) ^ 1 }),
  truncated: (entry: Entry) => zip(entry).subarray(0, Math.floor(zip(entry).length / 2)),
  empty: () => Buffer.concat([Buffer.from("PK\x05\x06", "latin1"), Buffer.alloc(18)]),
};
export type BrokenZip = keyof typeof broken;
export const brokenZipKinds = Object.keys(broken) as BrokenZip[];
export const brokenZip = (kind: BrokenZip, entry: Entry): Buffer => broken[kind](entry);

/** Well-formed XML of many `megabytes`, compressed to about a thousandth, with a small stated size. */
export function zipBomb(megabytes: number, name: string, head: string, tail: string): Buffer {
  // Deflate blocks of a repeated megabyte are equal after the first, so the stream is built from one of them.
  const block = Buffer.alloc(1_048_576, 0x20);
  const once = deflateRawSync(block, { finishFlush: SYNC });
  const packed = Buffer.concat([
    deflateRawSync(Buffer.from(head), { finishFlush: SYNC }),
    ...Array.from({ length: megabytes }, () => once),
    deflateRawSync(Buffer.from(tail)),
  ]);
  return assemble(name, packed, 0, 1_000_000);
}

/** Z_SYNC_FLUSH: ends on a byte boundary without ending the stream. */
const SYNC = 2;
