/** Pages as bytes: small parts are gathered into chunks, large ones (of records of 100 KB) stay references to shared bytes. */
import { breakJson } from "../faults/content.ts";
import { bodyLength } from "../http/reply.ts";
import type { BadKind } from "../types.ts";
import type { CveCatalog } from "./catalog.ts";
import type { CveState, Part } from "./state.ts";

const CHUNK = 1_048_576;
const LARGE = 16_384;
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
  const chunks = gather(parts);
  return { chunks, bytes: bodyLength(chunks), bad };
}

function gather(parts: readonly Part[]): Buffer[] {
  const chunks: Buffer[] = [];
  let small: Part[] = [];
  let bytes = 0;
  const flush = (): void => {
    const chunk = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const part of small)
      at += typeof part === "string" ? chunk.write(part, at, "latin1") : part.copy(chunk, at);
    if (bytes > 0) chunks.push(chunk);
    small = [];
    bytes = 0;
  };
  for (const part of parts) {
    if (typeof part !== "string" && part.length >= LARGE) {
      flush();
      chunks.push(part);
      continue;
    }
    small.push(part);
    bytes += part.length;
    if (bytes >= CHUNK) flush();
  }
  flush();
  return chunks;
}
