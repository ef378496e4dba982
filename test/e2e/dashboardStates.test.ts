/**
 * Every state of the dashboard's page, in both themes, on a desk and on a phone: there by role and text, nothing serious for
 * axe-core, nothing wider than the window. Pictures of all of them are kept in test-artifacts/dashboard. The fleet stands on
 * paper here, since no real one is in all states at once; the way to the page is the real one.
 */
import { expect, test } from "@jest/globals";
import { UeeError } from "../../src/core/errors.ts";
import { paths } from "../../src/dashboard/page/lib/icons.ts";
import { examine, inBrowser, provider, show } from "../support/dashboard/inBrowser.ts";
import {
  busyPaper,
  everyStatePaper,
  freshPaper,
  overloadedPaper,
  quietPaper,
} from "../support/dashboard/papers.ts";
import { until } from "../support/until.ts";

inBrowser("the dashboard's page", ({ visit }) => {
  test("shows every state of a provider with its word, its reason and what can be done", async () => {
    const { page, errors } = await visit(everyStatePaper());
    const states = {
      idle: ["never run", "Start", "Pause"],
      acquiring: ["starting", "Pause", "Stop"],
      running: ["running", "Pause", "Stop"],
      quota: ["waits for a permit", "Pause", "Stop"],
      backoff: ["waits", "Pause", "Stop"],
      paused: ["paused", "Resume", "Stop"],
      silent: ["paused", "Resume", "Stop"],
      terminated: ["complete", "Start", "Pause"],
    };
    for (const [name, [state, ...actions]] of Object.entries(states)) {
      const article = provider(page, name);
      await article.locator(".badge").getByText(state!, { exact: true }).waitFor();
      const buttons = await article
        .getByRole("group", { name: `Actions on ${name}` })
        .getByRole("button")
        .all();
      expect(await Promise.all(buttons.map((button) => button.textContent()))).toEqual(actions);
    }
    await provider(page, "backoff")
      .getByText(/Retry-After 120 s.*Goes on in 1 min/)
      .waitFor();
    await provider(page, "paused")
      .getByText(/Error rate 15.2 %/)
      .waitFor();
    expect(await provider(page, "silent").locator(".why").textContent()).toMatch(
      /^Paused .* by anna\. No reason was given\.$/,
    );
    await provider(page, "quota")
      .getByText(/no permit/)
      .waitFor();
    const running = provider(page, "running");
    await running.locator(".run-details").getByText("opened by anna: nightly check").waitFor();
    const progress = running.getByRole("progressbar");
    expect(await progress.getAttribute("aria-valuenow")).toBe("68");
    expect(await progress.getAttribute("aria-valuetext")).toMatch(
      /8,120 of 12,000 records, 67 %.*records\/s.*left/,
    );
    await examine(page, "every-state");
    expect(errors).toEqual([]);
  });

  test("shows that nothing needs attention, and explains itself before anything ever ran", async () => {
    const quiet = await visit(quietPaper());
    await quiet.page.getByText("Nothing needs you.").waitFor();
    await until(async () => (await quiet.page.title()) === "orchestrating · UEE");
    await quiet.page.getByRole("heading", { name: /^Complete and 2 h fresh/ }).waitFor();
    for (const name of ["cwe", "capec"])
      await quiet.page.getByRole("button", { name: `Details of ${name}` }).click();
    await provider(quiet.page, "cwe").getByText("Its dead letters are settled").waitFor();
    await provider(quiet.page, "cwe").getByText("Replays since").waitFor();
    const lastRun = provider(quiet.page, "capec").locator(".last-run");
    await lastRun.getByText("opened by anna: nightly check").waitFor();
    await examine(quiet.page, "quiet");
    await show(quiet.page, "Dead letters");
    await quiet.page.getByText("No dead letters", { exact: true }).waitFor();

    const fresh = await visit(freshPaper());
    await fresh.page.getByRole("heading", { name: "Nothing is mirrored yet" }).waitFor();
    await fresh.page.getByRole("heading", { name: "Four steps to a complete mirror" }).waitFor();
    await until(async () => (await fresh.page.title()) === "(1) no live worker · UEE");
    await examine(fresh.page, "fresh");
    await fresh.page.getByRole("button", { name: "Start all" }).click();
    await fresh.page.getByRole("button", { name: "Start 4 full runs" }).waitFor();
    await fresh.page.keyboard.press("Escape");
    await show(fresh.page, "Fleet");
    await fresh.page.getByText("Start one with uee worker").waitFor();
    await show(fresh.page, "History");
    await fresh.page.getByText("Nothing happened yet").waitFor();
    expect([...quiet.errors, ...fresh.errors]).toEqual([]);
  });

  test("tells an overloaded fleet: figures over their thresholds, revoked permits, a dead worker, a full cap", async () => {
    const { page, errors } = await visit(overloadedPaper());
    await page.getByRole("link", { name: "a worker died" }).waitFor();
    await examine(page, "overloaded");
    await show(page, "Fleet");
    await page.getByText("slow and full: over threshold").waitFor();
    await page.getByText(/of 10 revoked by the optimizer/).waitFor();
    const workers = page.getByRole("region", { name: "Workers" });
    await workers.getByText("dead", { exact: true }).waitFor();
    await workers.getByText("late", { exact: true }).waitFor();
    const breakers = page.getByRole("region", { name: "Circuit breakers" });
    await breakers.getByText("2 not closed").waitFor();
    await breakers.getByText(/PROV_OVERLOADED.*answered 503/).waitFor();
    await breakers.getByText("pod-7:4711 sends a test request").waitFor();
    await page.getByRole("img", { name: /p99 latency: now .* threshold 30 ms, passed/ }).waitFor();
    await examine(page, "overloaded-fleet");
    await show(page, "Dead letters");
    await page.getByText("it pauses with the next one.").waitFor();
    expect(errors).toEqual([]);
  });

  test("asks before it acts, in windows that hold the focus and give it back", async () => {
    const { page, errors } = await visit(busyPaper());
    const pause = provider(page, "cve").getByRole("button", { name: "Pause cve" });
    await pause.click();
    const dialog = page.getByRole("dialog", { name: "Pause cve" });
    await examine(page, "dialog-pause");
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press("Tab");
      // Between two rounds the focus is with the browser itself, never with the page behind.
      expect(
        await page.evaluate(
          "document.activeElement.closest('dialog') !== null || document.activeElement === document.body",
        ),
      ).toBe(true);
    }
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("Pause cve");

    await provider(page, "cve").getByRole("button", { name: "Stop cve" }).click();
    await page.getByRole("dialog").getByText("This cannot be undone").waitFor();
    await examine(page, "dialog-stop");
    await page.getByRole("button", { name: "Cancel" }).click();
    await provider(page, "cwe").getByRole("button", { name: "Start cwe" }).click();
    await page.getByRole("radio", { name: /^Full/ }).check();
    await page.getByText("suspiciously many").waitFor();
    await examine(page, "dialog-start");
    await page.keyboard.press("Escape");
    await show(page, "Fleet");
    await page.getByRole("button", { name: "Resize" }).click();
    await page.getByRole("spinbutton").fill("0");
    await page.getByText("The pool takes a whole number from 1 to 4,096.").waitFor();
    await page.getByRole("spinbutton").fill("3");
    await page.getByText("3 permits will be asked back").waitFor();
    await page.getByRole("button", { name: "Shrink to 3" }).waitFor();
    await examine(page, "dialog-resize");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard and help" }).waitFor();
    await examine(page, "dialog-help");
    expect(errors).toEqual([]);
  });

  test("shows what the API refuses, with its code, what would allow it, and the remedy", async () => {
    const { page, served } = await visit(busyPaper());
    served.paper.refuses = new UeeError("PROV_ILLEGAL_TRANSITION", "cve cannot be paused now.", {
      data: { state: "TERMINATED", allowed: ["RUNNING", "ACQUIRING"] },
    });
    await provider(page, "cve").getByRole("button", { name: "Pause cve" }).click();
    await page.getByLabel(/^Reason/).fill("for the night");
    await page.keyboard.press("Enter");
    const alert = provider(page, "cve").getByRole("alert");
    await alert.getByText("Pausing cve was refused.").waitFor();
    expect(await alert.textContent()).toMatch(/PROV_ILLEGAL_TRANSITION cve cannot be paused now/);
    expect(await alert.textContent()).toMatch(/States that would allow it: RUNNING, ACQUIRING/);
    await examine(page, "refused");
    await alert.getByRole("button", { name: "Dismiss this message" }).click();
    await page.getByText("was refused").waitFor({ state: "detached" });
  });

  test("finds dead letters by filter and page, shows one with its bytes, and counts before it purges", async () => {
    const { page, errors } = await visit(busyPaper());
    await show(page, "Dead letters");
    const letters = page.getByRole("region", { name: "Dead letters" });
    const rows = letters.getByRole("table").getByRole("row");
    await rows.nth(20).waitFor();
    await letters.getByRole("button", { name: "Older" }).click();
    await letters.getByText("21 to 40, the newest first").waitFor();
    await letters.getByLabel("Source").selectOption("cve");
    await letters.getByText("1 to 18, the newest first").waitFor();
    expect(await rows.count()).toBe(19);
    await letters.getByRole("button", { name: "Clear" }).click();
    await rows.nth(20).waitFor();
    await letters.getByRole("checkbox", { name: "Select CAPEC-61" }).check();
    await letters.getByText("1 letter selected").waitFor();
    await examine(page, "letters");
    await letters.getByRole("checkbox", { name: "Select CAPEC-61" }).uncheck();

    await letters.getByRole("button", { name: "CAPEC-61", exact: true }).click();
    const bytes = page.getByRole("region", { name: "Raw bytes, Name is marked" });
    await bytes.waitFor();
    expect(await bytes.textContent()).toContain('"Name": 42');
    expect(await bytes.locator("mark").textContent()).toBe('"Name": 42,');
    await page.getByRole("button", { name: "Hex" }).click();
    expect(await bytes.textContent()).toMatch(/^00000000 {2}7b 22 69 64 22 .*\{"id":"CAPEC-61"/);
    await examine(page, "letter");
    await page.keyboard.press("Escape");

    await letters.getByRole("button", { name: "Purge all that match" }).click();
    const purge = page.getByRole("dialog", { name: "Purge dead letters" });
    await purge.getByText("52 letters would be purged").waitFor();
    const button = purge.getByRole("button", { name: "Purge 52" });
    expect(await button.isDisabled()).toBe(true);
    await purge.getByLabel("Type 52 to purge them").fill("52");
    expect(await button.isDisabled()).toBe(false);
    await examine(page, "dialog-purge");
    expect(errors).toEqual([]);
  });

  test("works by keyboard alone", async () => {
    const { page, errors } = await visit(busyPaper());
    await provider(page, "cve").waitFor();
    const focused = () =>
      page.evaluate<string>("document.activeElement.id || document.activeElement.dataset.provider || ''");
    const focuses = (id: string) => until(async () => (await focused()) === id);
    await page.keyboard.press("j");
    await focuses("provider-cve");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await focuses("provider-capec");
    await page.keyboard.press("k");
    await focuses("provider-cwe");
    await page.keyboard.press("s");
    await page.getByRole("dialog", { name: "Start cwe" }).waitFor();
    // In a field letters are letters.
    await page.keyboard.type("just");
    expect(await page.getByLabel(/^Reason/).inputValue()).toBe("just");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await focuses("provider-cwe");
    await page.keyboard.press("6");
    await page.getByRole("region", { name: "Permits" }).waitFor();
    await focuses("content");
    await page.keyboard.press("5");
    await page.locator("#dead-letters-filter").waitFor();
    await page.keyboard.press("f");
    await focuses("dead-letters-filter");
    await page.locator("body").click({ position: { x: 2, y: 400 } });
    await page.keyboard.press("/");
    await focuses("search");
    await page.keyboard.type("CVE-2021-44228");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "CVE-2021-44228" }).waitFor();
    await page.keyboard.press("t");
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("light");
    await page.keyboard.press("t");
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(14, 18, 23)");
    expect(errors).toEqual([]);
  });

  test("asks for the token, says what is wrong with it, lets in, and says when a login has ended", async () => {
    const { page, context, errors, served } = await visit(busyPaper(), { token: "sesame-open" });
    await page.getByLabel("Your name").fill("anna");
    await page.getByLabel("Token").fill("wrong");
    expect(errors).toEqual([]);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").getByText("API_LOGIN_REFUSED").waitFor();
    await examine(page, "login");
    await page.getByLabel("Token").fill("sesame-open");
    await page.keyboard.press("Enter");
    await provider(page, "cve").waitFor();
    await page.getByText("anna", { exact: true }).waitFor();
    await context.clearCookies();
    await page.getByRole("button", { name: "Pause cve" }).click();
    await page.getByLabel(/^Reason/).fill("late");
    await page.keyboard.press("Enter");
    await page.getByText("Your login has ended.").waitFor();
    expect(served.url).toContain("127.0.0.1");
    await examine(page, "login-ended");
  });

  test("has an address for every view and every filter, which reloads to the same and goes back", async () => {
    const { page, served, errors } = await visit(busyPaper());
    const heading = (name: string | RegExp) => page.getByRole("heading", { name }).first().waitFor();
    const at = () => page.url().slice(served.url.length);
    await show(page, "Runs");
    await page.getByText("Show all").waitFor();
    await examine(page, "runs-all");
    await page.getByLabel("Source").selectOption("cwe");
    await page.getByLabel("State").selectOption("incomplete");
    await until(() => at() === "/runs?provider=cwe&state=incomplete");
    await page.getByRole("list", { name: "Runs, the newest first" }).getByRole("listitem").waitFor();
    await examine(page, "runs");
    await page.reload();
    await page.getByRole("listitem").getByRole("link", { name: "cwe" }).click();
    await heading("Run of cwe");
    await page.getByText("2 records could not be read").waitFor();
    await page.getByRole("link", { name: "The run before" }).waitFor();
    await page.goBack();
    await until(() => at() === "/runs?provider=cwe&state=incomplete");
    await page.goto(`${served.url}/runs/${busyPaper().runs[0]!.runId}`);
    const steps = page.getByRole("list", { name: /^Steps of the run/ });
    await steps.getByText("page:2000 given up: PROV_UPSTREAM_ERROR").waitFor();
    await steps.getByText("given up: VAL_RECORD_ID ×2, VAL_RECORD_FIELD ×1, the last bad/r-0").waitFor();
    await examine(page, "run");

    await show(page, "Records");
    await page.getByRole("link", { name: "path traversal" }).waitFor();
    await examine(page, "records-start");
    await page.getByLabel("Search records").fill("injection");
    await page.keyboard.press("Enter");
    await page.getByText("2 records").waitFor();
    await examine(page, "records");
    await page.goto(`${served.url}/records/CVE-2021-44228`);
    await heading("CVE-2021-44228");
    await page.getByText("97 % in the next 30 days").waitFor();
    await page.getByText("10.0, critical", { exact: true }).waitFor();
    await page.getByText("CVSS:3.1/AV:N/AC:L").waitFor();
    await page.getByText("2021-12-10 10:15 UTC").waitFor();
    await page.getByRole("link", { name: /^CWE-502/ }).waitFor();
    await page.getByRole("link", { name: /^T1059/ }).waitFor();
    await page
      .getByRole("list", { name: /^Changes of the record/ })
      .getByText("updated")
      .waitFor();
    await examine(page, "record");
    await page.getByRole("button", { name: "Raw JSON" }).click();
    await page.getByText('"baseSeverity": "CRITICAL"').waitFor();
    await examine(page, "record-raw");
    await page.getByRole("link", { name: /^CWE-502/ }).click();
    await heading("CWE-502");

    await page.goto(`${served.url}/changes?op=removed`);
    await page.getByRole("link", { name: "ATTACK-1003" }).waitFor();
    expect(await page.getByText("CVE-2021-44228").count()).toBe(0);
    await page.getByLabel("Kind").selectOption("");
    await page.getByText("CVE-2021-44228").waitFor();
    await examine(page, "changes");
    await show(page, "History");
    await heading("History");
    await page.getByText("accepted 2").waitFor();
    const points = (to: "up" | "down", text: string) =>
      page.getByRole("listitem").filter({ hasText: text }).locator(`path[d="${paths[to]}"]`).waitFor();
    await points("down", "Resized to 3");
    await points("up", "Resized to 10");
    await examine(page, "history-all");
    await page.getByLabel("Show").selectOption("breaker");
    await until(() => at() === "/history?show=breaker");
    await page.getByText("breaker closed → open").waitFor();
    await examine(page, "history");
    expect(errors).toEqual([]);
  });
});
