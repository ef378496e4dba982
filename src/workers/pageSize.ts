import type { Logger } from "../core/logger.ts";
import type { PageSize } from "../providers/contract.ts";

/** Good pages in a row before the size doubles. */
const GROW_AFTER = 4;
/** Good pages in a row before a size that was refused as too large is tried again. */
const FORGET_CEILING_AFTER = 200;

/** Halves under trouble, doubles back on success; remembers for long which size was too large as such. */
export class AdaptivePageSize implements PageSize {
  readonly #greatest: number;
  readonly #logger: Logger;
  #current: number;
  #ceiling: number;
  #good = 0;

  constructor(greatest: number, logger: Logger) {
    this.#greatest = greatest;
    this.#current = greatest;
    this.#ceiling = greatest;
    this.#logger = logger;
  }

  get current(): number {
    return this.#current;
  }

  shrink(reason: string, to = Math.ceil(this.#current / 2)): void {
    const next = Math.max(1, Math.min(this.#current, to));
    if (reason === "PROV_PAGE_CAP" || reason === "PROV_PAGE_TOO_LARGE") this.#ceiling = next;
    if (next !== this.#current) {
      this.#logger.info(
        { event: "page_size", from: this.#current, to: next, reason },
        "asking for smaller pages",
      );
    }
    this.#current = next;
    this.#good = 0;
  }

  succeeded(): void {
    this.#good += 1;
    if (this.#good % FORGET_CEILING_AFTER === 0) this.#ceiling = this.#greatest;
    if (this.#good % GROW_AFTER === 0 && this.#current < this.#ceiling) {
      this.#current = Math.min(this.#ceiling, this.#current * 2);
      this.#logger.debug({ event: "page_size", to: this.#current }, "asking for larger pages again");
    }
  }
}
