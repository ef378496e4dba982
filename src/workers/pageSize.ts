import type { Logger } from "../core/logger.ts";
import type { PageSize } from "../providers/contract.ts";

/** Good pages in a row before the size doubles. */
const GROW_AFTER = 4;
/** Good pages in a row before a size that was refused as too large is tried again. */
const FORGET_CEILING_AFTER = 200;

/** Halves under trouble, doubles back on success; remembers for long which size was too large as such. */
export class AdaptivePageSize {
  readonly #greatest: number;
  #current: number;
  #ceiling: number;
  #good = 0;

  constructor(greatest: number) {
    this.#greatest = greatest;
    this.#current = greatest;
    this.#ceiling = greatest;
  }

  get current(): number {
    return this.#current;
  }

  /** As one batch sees it: what it changes is logged in its name. */
  seenBy(logger: Logger): PageSize {
    const size = (): number => this.#current;
    return {
      get current() {
        return size();
      },
      shrink: (reason, to) => {
        const from = size();
        this.#shrink(reason, to);
        const line = { event: "page_size", from, to: size(), reason };
        if (size() !== from) logger.info(line, "asking for smaller pages");
      },
      succeeded: () => {
        const from = size();
        this.#succeeded();
        const line = { event: "page_size", from, to: size() };
        if (size() !== from) logger.debug(line, "asking for larger pages again");
      },
    };
  }

  #shrink(reason: string, to = Math.ceil(this.#current / 2)): void {
    this.#current = Math.max(1, Math.min(this.#current, to));
    if (reason === "PROV_PAGE_CAP" || reason === "PROV_PAGE_TOO_LARGE") this.#ceiling = this.#current;
    this.#good = 0;
  }

  #succeeded(): void {
    this.#good += 1;
    if (this.#good % FORGET_CEILING_AFTER === 0) this.#ceiling = this.#greatest;
    if (this.#good % GROW_AFTER === 0 && this.#current < this.#ceiling) {
      this.#current = Math.min(this.#ceiling, this.#current * 2);
    }
  }
}
