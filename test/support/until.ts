import { setTimeout as sleep } from "node:timers/promises";

/** Resolves when the condition holds; rejects when it never does within the limit, ms. */
export async function until(condition: () => Promise<boolean> | boolean, limitMs = 60_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not so after ${limitMs} ms: ${condition}`);
    await sleep(25);
  }
}
