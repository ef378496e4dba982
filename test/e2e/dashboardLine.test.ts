/** What the dashboard's page says when what it shows is not the present: Redis away, the line cut, the line silent. */
import { expect, test } from "@jest/globals";
import { UeeError } from "../../src/core/errors.ts";
import { examine, inBrowser, provider, show } from "../support/dashboard/inBrowser.ts";
import { servePaper } from "../support/dashboard/paperEngine.ts";
import { busyPaper, quietPaper } from "../support/dashboard/papers.ts";
import { startTcpProxy } from "../support/tcpProxy.ts";
import { until } from "../support/until.ts";

const away = new UeeError("SYS_REDIS_UNREACHABLE", "connect ECONNREFUSED 127.0.0.1:6379");

inBrowser("the dashboard's page", ({ visit, keep }) => {
  test("says that Redis is away: with what it knew, dimmed, and from the start", async () => {
    const { page, served, errors } = await visit(busyPaper());
    await provider(page, "cve").waitFor();
    served.paper.away = away;
    await page.getByText("Redis does not answer").first().waitFor();
    await page.getByText("This data is outdated.").waitFor();
    expect(await page.locator("main.page-stale").count()).toBe(1);
    await examine(page, "redis-away");
    served.paper.away = undefined;
    await page.locator("main.page-stale").waitFor({ state: "detached" });
    // What was asked before the page knew was answered so, and the browser says it.
    expect(errors.filter((error) => !error.includes("503 (Service Unavailable)"))).toEqual([]);

    const cold = await visit({ ...busyPaper(), away });
    await cold.page.getByText("Redis has not answered since this page was opened.").waitFor();
    await show(cold.page, "Fleet");
    for (const text of ["The pool cannot be read", "The workers cannot be read"]) {
      await cold.page.getByText(text).waitFor();
    }
    await show(cold.page, "History");
    await cold.page.getByText("The history cannot be read").waitFor();
    await examine(cold.page, "redis-away-from-the-start");
  });

  test("says that it is stale when the line is cut, and recovers by itself", async () => {
    const { page, served } = await visit(busyPaper());
    await provider(page, "cve").waitFor();
    const port = Number(new URL(served.url).port);
    await served.close();
    await page.getByText("No connection to the server.").waitFor();
    await page.getByText(/^Not connected, \d+ s old$/).waitFor();
    await until(async () => (await page.title()) === "no connection · UEE");
    await examine(page, "stale");
    const again = await servePaper(quietPaper(), { port });
    keep(again);
    await page.getByText("Live", { exact: true }).waitFor();
    await provider(page, "cve").locator(".badge").getByText("complete", { exact: true }).waitFor();
    expect(await page.locator("main.page-stale").count()).toBe(0);
  });

  test("dims what a line that went silent has left behind, and takes another line by itself", async () => {
    const { page, served } = await visit(busyPaper());
    const proxy = await startTcpProxy({ port: Number(new URL(served.url).port) });
    keep(proxy);
    await page.goto(`http://127.0.0.1:${proxy.port}/`);
    await provider(page, "cve").waitFor();
    // No error comes, only nothing more: as behind a network that forgot the connection.
    proxy.strand();
    await page.getByText("No events arrive from the server.").waitFor();
    expect(await page.locator("main.page-stale").count()).toBe(1);
    await page.locator("main.page-stale").waitFor({ state: "detached" });
    await page.getByText("Live", { exact: true }).waitFor();
  });
});
