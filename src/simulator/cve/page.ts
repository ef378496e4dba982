/**
 * Pages as bytes. An ordinary page becomes one Buffer, which is cached; a huge one (100 KB records) stays a list of
 * references to shared fragments and is never built as a whole.
 */
import { breakJson } from "../faults/badRecord.ts";
import type { BadKind } from "../types.ts";
import type { CveCatalog } from "./catalog.ts";
import type { CveState, Part } from "./state.ts";

const WHOLE_LIMIT = 32 * 1_048_576;
const shape = { id: "id", list: "references" };
const OPEN = '{"cve":';

export interface PageBody {
  chunks: Buffer[];
  bytes: number;
  /** Records served broken. */
  bad: number;
}

/** The inside of `"vulnerabilities":[…]`. */
export function renderPage(
  catalog: CveCatalog,
  state: CveState,
  slots: ArrayLike<number>,
  isBad: ((id: string) => BadKind | undefined) | undefined,
): PageBody {
  const parts: Part[] = [];
  let bad = 0;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    parts.push(i === 0 ? OPEN : `,${OPEN}`);
    const kind = isBad?.(catalog.source.id(slot));
    if (kind) {
      parts.push(Buffer.from(breakJson(catalog.text(slot, state), kind, shape)));
      bad += 1;
    } else catalog.parts(slot, parts, state);
    parts.push("}");
  }
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return { chunks: bytes <= WHOLE_LIMIT ? [join(parts, bytes)] : gather(parts), bytes, bad };
}

function join(parts: readonly Part[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") whole.write(part, at, "latin1");
    else whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Small parts together, large ones as they are. */
function gather(parts: readonly Part[]): Buffer[] {
  const chunks: Buffer[] = [];
  let small: Part[] = [];
  let smallBytes = 0;
  const flush = (): void => {
    if (smallBytes > 0) chunks.push(join(small, smallBytes));
    small = [];
    smallBytes = 0;
  };
  for (const part of parts) {
    if (typeof part !== "string" && part.length >= 16_384) {
      flush();
      chunks.push(part);
      continue;
    }
    small.push(part);
    smallBytes += part.length;
    if (smallBytes >= 262_144) flush();
  }
  flush();
  return chunks;
}
