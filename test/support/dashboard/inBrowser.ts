/** What the tests of the page in a browser have in common: one browser a file, visits, and a look at all sides of a state. */
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { seriousFindings } from "./axe.ts";
import {
  chromiumPath,
  launch,
  openPage,
  overflowing,
  picture,
  type Scheme,
  type Seen,
  type Size,
  sizes,
} from "./browser.ts";
import { type Paper, type PaperDashboard, servePaper } from "./paperEngine.ts";

export interface Visits {
  /** Opens the page over a fleet on paper. */
  visit(paper: Paper, options?: Parameters<typeof servePaper>[1]): Promise<Seen & { served: PaperDashboard }>;
  browser(): Browser;
  /** Is closed after the file's last test. */
  keep<One extends { close(): Promise<unknown> }>(one: One): One;
}

/** Skips, and says so, where there is no chromium. */
export function inBrowser(name: string, tests: (visits: Visits) => void): void {
  if (chromiumPath === undefined) process.stderr.write(`No chromium is installed: skipped: ${name}\n`);
  (chromiumPath === undefined ? describe.skip : describe)(name, () => {
    let browser: Browser;
    const open: { close(): Promise<unknown> }[] = [];
    beforeAll(async () => {
      browser = await launch();
    });
    afterAll(async () => {
      for (const one of open.reverse()) await one.close();
      await browser?.close();
    });
    const keep: Visits["keep"] = (one) => {
      open.push(one);
      return one;
    };
    tests({
      keep,
      browser: () => browser,
      async visit(paper, options = {}) {
        const served = keep(
          await servePaper(paper, { ...options, limits: { pollMs: 100, ...options.limits } }),
        );
        const seen = await openPage(browser);
        keep(seen.context);
        await seen.page.goto(served.url);
        return { ...seen, served };
      },
    });
  });
}

/** In some sizes and both themes, without loading again: a picture, nothing too wide, nothing serious for axe-core. */
export async function examine(
  page: Page,
  name: string,
  inSizes: readonly Size[] = ["wide", "phone"],
): Promise<void> {
  for (const size of inSizes) {
    await page.setViewportSize(sizes[size]);
    for (const scheme of ["light", "dark"] satisfies Scheme[]) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await picture(page, `${name}-${size}-${scheme}`);
      expect([name, size, scheme, await overflowing(page)]).toEqual([name, size, scheme, []]);
      expect([name, size, scheme, await seriousFindings(page)]).toEqual([name, size, scheme, []]);
    }
  }
  await page.setViewportSize(sizes.wide);
}

/** Goes to a view by the navigation. */
export const show = (page: Page, name: string): Promise<void> =>
  page
    .getByRole("navigation", { name: "Pages" })
    .getByRole("link", { name: new RegExp(`^${name}`) })
    .click();

export const provider = (page: Page, name: string) => page.getByRole("article", { name, exact: true });
