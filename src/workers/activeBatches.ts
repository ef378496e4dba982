/**
 * The jobs that are at work in this process, whichever worker took them. BullMQ may hand out a job again whose first copy
 * still runs here (its lock was lost while the process was busy): the second copy is refused until the first has settled,
 * and the first, which has lost its lock for certain, is told to end.
 *
 * A copy has settled when BullMQ has let go of it: BullMQ renews locks by job id alone, and what it still does for an old
 * copy would undo the renewal of a new one's.
 */
import { UeeError } from "../core/errors.ts";

interface Copy {
  token: string;
  abort: AbortController;
}

/** Names a job; without an id, how the names of all of a queue's begin. */
export const keyOf = (queue: string, jobId: string): string => `${queue}/${jobId}`;

export class ActiveBatches {
  readonly #running = new Map<string, Copy>();

  /**
   * @param token the copy's lock token
   * Undefined: an older copy has not settled.
   */
  begin(key: string, token: string): AbortController | undefined {
    const older = this.#running.get(key);
    if (older) {
      older.abort.abort(new UeeError("RPC_LOCK_LOST"));
      return undefined;
    }
    const abort = new AbortController();
    this.#running.set(key, { token, abort });
    return abort;
  }

  /** False: another copy than this one was at work. */
  settled(key: string, token: string): boolean {
    return this.#running.get(key)?.token === token && this.#running.delete(key);
  }

  get size(): number {
    return this.#running.size;
  }

  /** Tells one to end. */
  abort(key: string, reason: UeeError): void {
    this.#running.get(key)?.abort.abort(reason);
  }

  /** Those whose key begins so, with the way to end them. */
  under(prefix: string): AbortController[] {
    return [...this.#running].filter(([key]) => key.startsWith(prefix)).map(([, { abort }]) => abort);
  }
}
