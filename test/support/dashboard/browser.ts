/** Chromium as Debian packages it, driven over its debugging protocol. Without one these tests skip, and say so. */
import { accessSync, constants, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const artifacts = fileURLToPath(new URL("../../../test-artifacts/dashboard", import.meta.url));

const isThere = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Path of a chromium in PATH, or in UEE_CHROMIUM; undefined where there is none. */
export const chromiumPath: string | undefined = [
  process.env.UEE_CHROMIUM ?? "",
  ...["chromium", "chromium-browser", "google-chrome"].flatMap((name) =>
    (process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, name)),
  ),
].find((path) => path !== "" && isThere(path));

export const sizes = {
  wide: { width: 1280, height: 900 },
  phone: { width: 390, height: 844 },
  desk: { width: 1920, height: 1080 },
} as const;
export type Size = keyof typeof sizes;
export type Scheme = "light" | "dark";

export const launch = (args: string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", ...args],
  });

export interface Seen {
  page: Page;
  context: BrowserContext;
  /** Errors of the console and uncaught ones. */
  errors: string[];
  /** `GET /api/overview`, as asked for, without query. */
  requests: Set<string>;
}

export async function openPage(
  browser: Browser,
  { size = "wide", scheme = "light" }: { size?: Size; scheme?: Scheme } = {},
): Promise<Seen> {
  const context = await browser.newContext({
    viewport: sizes[size],
    colorScheme: scheme,
    reducedMotion: "reduce",
    hasTouch: size === "phone",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors: string[] = [];
  const requests = new Set<string>();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      errors.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => requests.add(`${request.method()} ${new URL(request.url()).pathname}`));
  return { page, context, errors, requests };
}

/** Keeps a picture as a test artifact: of the whole page, or of a dialog before what the window shows of it. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(artifacts, { recursive: true });
  await page.evaluate("scrollTo(0, 0)");
  const fullPage = (await page.locator("dialog[open]").count()) === 0;
  await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage });
}

/** Elements that reach beyond the window's width; none on a page that fits. */
export const overflowing = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > width + 1)
      .map((element) => element.tagName + "." + element.className + " " + (element.textContent ?? "").slice(0, 40))
      .slice(0, 10);
  })()`);
