/**
 * What an operator does in a night, in a real browser over `uee up`: real engine, Redis, workers and simulator. One story; what
 * each step leaves behind is where the next begins.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Locator, Page } from "playwright-core";
import { openPage, picture, type Seen } from "../support/dashboard/browser.ts";
import { examine, inBrowser, provider, show } from "../support/dashboard/inBrowser.ts";
import { type OperatorFleet, startOperatorFleet, token } from "../support/dashboard/operator.ts";
import { ask } from "../support/httpAsk.ts";
import { until } from "../support/until.ts";
import { killAll } from "./cliSupport.ts";

inBrowser("an operator at the dashboard", ({ browser, keep }) => {
  let fleet: OperatorFleet;
  let seen: Seen;
  let page: Page;
  let cve: Locator;
  beforeAll(async () => {
    fleet = await startOperatorFleet();
    seen = await openPage(browser());
    keep(seen.context);
    page = seen.page;
    cve = provider(page, "cve");
  });
  afterAll(async () => {
    await fleet?.close();
    killAll();
  });

  /** Presses an action of a provider and gives its reason. */
  async function act(name: string, reason: string, on = "cve"): Promise<void> {
    await provider(page, on)
      .getByRole("button", { name: `${name} ${on}` })
      .click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^Reason/).fill(reason);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
  }
  const share = async (): Promise<number> =>
    Number(await cve.getByRole("progressbar").getAttribute("aria-valuenow"));
  const state = (name: string) => cve.locator(".source-row").getByText(name, { exact: true }).waitFor();
  const letters = () => page.getByRole("region", { name: "Dead letters" });
  const history = () => page.getByRole("region", { name: "History" });

  test("logs in, starts a run and watches it move", async () => {
    await page.goto(fleet.url);
    await page.getByLabel("Your name").fill("anna");
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Log in" }).click();
    await state("never run");
    await page
      .getByText(/2 workers, /)
      .first()
      .waitFor();
    await act("Start", "first load");
    await cve.getByText(/^Run .* is open \(full\)\.$/).waitFor();
    await state("running");
    await cve.locator(".run-details").getByText("opened by anna: first load").waitFor();
    const bar = (notYet: number) =>
      cve.locator(`[role=progressbar]:not([aria-valuenow="${notYet}"])`).waitFor();
    await bar(0);
    const before = await share();
    await bar(before);
    expect(await share()).toBeGreaterThan(before);
    await cve.getByText(/of 30,000 records, \d+ %/).waitFor();
    await cve.getByText(/records\/s/).waitFor();
    await picture(page, "operator-running");
  });

  test("pauses it, reads who and why, and finds it in the history", async () => {
    await act("Pause", "maintenance of the network");
    await state("paused");
    await cve.getByText("cve is paused (PAUSED).").waitFor();
    await cve.getByText("maintenance of the network").waitFor();
    await cve
      .locator(".why")
      .getByText(/by anna/)
      .waitFor();
    await page.getByRole("link", { name: "cve paused" }).waitFor();
    await until(async () => (await page.title()) === "(1) cve paused · UEE");
    await picture(page, "operator-paused");
    await show(page, "History");
    await history()
      .getByText(/pause, anna: maintenance of the network/)
      .waitFor();
    await show(page, "Overview");
  });

  test("resumes it, and reads why it is paused again: the upstream sends broken records", async () => {
    // The fault is set while the provider is paused: the batches that are left meet it, however fast they are.
    fleet.simulator.setFaults(["bad-record@0.15:cve"]);
    await act("Resume", "network is back");
    const why = cve.locator(".why");
    await why.getByText(/%/).waitFor();
    await state("paused");
    expect(await why.textContent()).toMatch(/\d+.*%.*VAL_/);
    await examine(page, "operator-paused-on-errors");
  });

  test("goes on once the upstream is mended", async () => {
    fleet.simulator.clearFaults();
    // What was fetched before the upstream was mended may trip the pause once more; then the operator resumes once more.
    const ended = /^(in)?complete$/;
    const head = cve.locator(".source-row");
    for (let again = 0; again < 4 && (await head.getByText("paused", { exact: true }).count()) > 0; again++) {
      await act("Resume", "the upstream is mended");
      await head.getByText("running", { exact: true }).or(head.getByText(ended)).waitFor();
      await head
        .getByText(ended)
        .or(head.getByText("paused", { exact: true }))
        .waitFor({ timeout: 110_000 });
    }
    await head.getByText(ended).waitFor();
    await cve.getByRole("button", { name: "Details of cve" }).click();
    await cve.locator(".last-run").waitFor();
  });

  test("looks at a dead letter, and replays it when its upstream is there again", async () => {
    const capec = provider(page, "capec");
    fleet.simulator.setFaults(["status-404:capec"]);
    await act("Start", "first load", "capec");
    await show(page, "Dead letters");
    await letters().getByLabel("Source").selectOption("capec");
    await letters().getByText("capec, batch").first().waitFor();
    await letters().getByRole("table").getByRole("button").first().click();
    const letter = page.getByRole("dialog");
    await letter.getByText("First failed").waitFor();
    await picture(page, "operator-letter");
    await page.keyboard.press("Escape");
    await letter.waitFor({ state: "detached" });

    fleet.simulator.clearFaults();
    await letters().getByRole("button", { name: "Replay all that match" }).click();
    const dialog = page.getByRole("dialog", { name: "Replay dead letters" });
    await dialog.getByText("1 letter would be replayed").waitFor();
    await dialog.getByLabel(/^Reason/).fill("the upstream is back");
    await page.keyboard.press("Enter");
    await letters().getByText("Replayed 1 letter.").waitFor();
    await letters().getByText("None match").or(letters().getByText("No dead letters")).first().waitFor();
    await show(page, "Overview");
    await capec
      .locator(".source-records")
      .getByText(/^[1-9]/)
      .waitFor();
    await picture(page, "operator-replayed");
  });

  test("resizes the permits, down and up", async () => {
    await show(page, "Fleet");
    const permits = page.getByRole("region", { name: "Permits" });
    await permits.getByRole("button", { name: "Resize" }).click();
    await page.getByRole("spinbutton").fill("3");
    await page.getByRole("button", { name: "Shrink to 3" }).click();
    await permits.getByText("The pool has 3 permits now").waitFor();
    await permits.getByText(/of 3 in use/).waitFor();
    await show(page, "History");
    await history().getByText("Resized to 3").waitFor();
    await show(page, "Fleet");
    await permits.getByRole("button", { name: "Resize" }).click();
    await page.getByRole("spinbutton").fill("12");
    await page.getByRole("button", { name: "Grow to 12" }).click();
    await permits.getByText(/of 12 in use/).waitFor();
  });

  test("sees a worker killed, and another come in its place", async () => {
    const workers = page.getByRole("region", { name: "Workers" });
    const line = await workers.getByRole("listitem").filter({ hasText: "live" }).first().textContent();
    const pid = Number(/pid (\d+)/.exec(line ?? "")?.[1]);
    process.kill(pid, "SIGKILL");
    await workers
      .getByRole("listitem")
      .filter({ hasText: `pid ${pid}` })
      .getByText("dead", { exact: true })
      .waitFor();
    await workers.getByText("2 live").waitFor();
    await examine(page, "operator-worker-killed");
    await show(page, "Overview");
    await page.getByRole("link", { name: "a worker died" }).waitFor();
  });

  test("reads in the morning: every address at every width, the same after a reload, with counts that agree", async () => {
    // Ages and times move on; everything else must be the same.
    const moving =
      /just now|\d+ (ms|s|min|h|d) ago|in \d+ (ms|s|min|h|d)|\d+:\d+:\d+|\d+(\.\d+)? (ms|s|min|h|MB|KB|GB)\b/g;
    const settled = async (): Promise<string> => {
      let before = "";
      for (;;) {
        await page.locator("main .panel[aria-busy=true]").first().waitFor({ state: "detached" });
        const text = ((await page.locator("main").textContent()) ?? "").replace(moving, "…");
        if (text === before) return text;
        before = text;
        await page.waitForTimeout(200);
      }
    };
    const parts = (): Promise<string[]> => page.locator("main h2").allTextContents();
    const fleetParts = ["Over time", "Kernel", "Webhook", "Permits", "Workers", "Circuit breakers"];
    const visit = async (path: string): Promise<string> => {
      await page.goto(`${fleet.url}${path}`);
      return await settled();
    };
    const { json } = await ask(fleet.url, "/api/runs?provider=cve&limit=1", {
      headers: { authorization: `Bearer ${token}` },
    });
    const [run] = json.runs as [{ runId: string; created: number }];
    const addresses = {
      ...{ overview: "/", runs: "/runs?provider=cve", run: `/runs/${run.runId}` },
      ...{ records: "/records?q=exploiting", changes: "/changes?provider=capec" },
      ...{
        "dead-letters": "/dead-letters?provider=cve",
        fleet: "/fleet?range=1h",
        history: "/history?show=people",
      },
    };
    const texts: Record<string, string> = {};
    for (const [name, path] of Object.entries(addresses)) {
      texts[name] = await visit(path);
      await page.reload();
      // The figures of the fleet move all the time: there its parts are compared.
      const again = await settled();
      if (name === "fleet") expect(await parts()).toEqual(fleetParts);
      else expect([name, again]).toEqual([name, texts[name]]);
      await examine(page, `morning-${name}`, ["wide", "phone", "desk"]);
    }
    // One count, whichever page tells it.
    const created = run.created.toLocaleString("en-US");
    expect(texts.runs).toContain(`${created} created`);
    expect(texts.run).toContain(`Created${created}`);
    const records = await page
      .goto(`${fleet.url}/`)
      .then(() => cve.locator(".source-records strong").textContent());
    const overview = await ask(fleet.url, "/api/overview", { headers: { authorization: `Bearer ${token}` } });
    const known = overview.json as {
      deadLetters: number;
      providers: { provider: string; records: number }[];
    };
    expect(records).toBe(
      known.providers.find((one) => one.provider === "cve")!.records.toLocaleString("en-US"),
    );
    const letterCount = known.deadLetters.toLocaleString("en-US");
    if (known.deadLetters > 0) {
      expect(await page.locator(".count-chip").textContent()).toBe(letterCount);
      expect(texts["dead-letters"]).toContain(`${letterCount} waiting for a person`);
    }
    expect(texts.overview).toContain("2 workers");
    expect(texts.fleet).toContain("2 live");

    // From the overview to a record, its neighbours and its run.
    await page.keyboard.press("/");
    await page.keyboard.type("exploiting");
    await page.keyboard.press("Enter");
    const found = page.getByRole("list", { name: "Records found" }).getByRole("link");
    await found.first().click();
    await page.getByRole("region", { name: "Related records" }).waitFor();
    await page
      .getByRole("link", { name: /^In run|ago$/ })
      .first()
      .waitFor();
    await settled();
    await examine(page, "morning-record", ["wide", "phone", "desk"]);
    await page.goBack();
    await found.first().waitFor();
  });

  test("asks for nothing that the OpenAPI document does not name, and the console stays clean", async () => {
    const { json } = await ask(fleet.url, "/openapi.json", { headers: { authorization: `Bearer ${token}` } });
    const known = Object.entries(json.paths as Record<string, Record<string, unknown>>).flatMap(
      ([path, methods]) =>
        Object.keys(methods).map((method) => {
          const pattern = path.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+");
          return new RegExp(`^${method.toUpperCase()} ${pattern}$`);
        }),
    );
    const asked = [...seen.requests];
    expect(asked.length).toBeGreaterThan(12);
    expect(asked.filter((request) => !known.some((pattern) => pattern.test(request)))).toEqual([]);
    expect(seen.errors).toEqual([]);
  });

  test("is told when Redis goes away, and that it is back", async () => {
    await show(page, "Overview");
    await cve.waitFor();
    await fleet.redis.kill("SIGKILL");
    await page.getByText("Redis does not answer").first().waitFor();
    await picture(page, "operator-redis-away");
    await fleet.redis.restart();
    await page.getByText("Live", { exact: true }).waitFor();
    await page.locator("main.page-stale").waitFor({ state: "detached" });
    await act("Pause", "enough for tonight");
    await state("paused");
  });
});
