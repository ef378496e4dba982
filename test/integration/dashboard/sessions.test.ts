/** Logins: one for all dashboards of the fleet, with what browsers need to keep them safe. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../support/until.ts";
import { bearer, type Served, startDashboard, type TestDashboard, token } from "./support.ts";

let dashboard: TestDashboard;
let other: Served;
beforeAll(async () => {
  dashboard = await startDashboard();
  other = await dashboard.another();
});
afterAll(() => dashboard.close());

async function logIn(name: string, headers = {}) {
  const answer = await dashboard.ask("/api/session", { method: "POST", body: { token, name }, headers });
  expect(answer.status).toBe(200);
  const [setCookie = ""] = answer.headers["set-cookie"] ?? [];
  return { setCookie, cookie: setCookie.split(";")[0]!, csrf: answer.json.csrfToken as string, answer };
}

describe("a login", () => {
  test("answers who it is, until when, and the CSRF token, and never the API token", async () => {
    const { answer } = await logIn("Ann O");
    expect(answer.json).toEqual({
      actor: "Ann O",
      csrfToken: expect.stringMatching(/^[\w-]{40,}$/),
      tokenRequired: true,
      expiresAt: expect.stringMatching(/Z$/),
    });
    expect(answer.text).not.toContain(token);
  });

  test("sets a cookie that no script reads and no other site sends", async () => {
    const { setCookie } = await logIn("ann");
    expect(setCookie).toMatch(/; HttpOnly/);
    expect(setCookie).toMatch(/; SameSite=Strict/);
    expect(setCookie).toMatch(/; Path=\//);
    expect(setCookie).not.toMatch(/Secure/);
    expect(setCookie).not.toContain(token);
  });

  test("sets a cookie for https only when the browser came by https", async () => {
    expect((await logIn("ann", { "x-forwarded-proto": "https" })).setCookie).toMatch(/; Secure/);
    const trusting = await dashboard.another({ trustProxy: 1 });
    const behind = await trusting.ask("/api/session", {
      method: "POST",
      body: { token, name: "ann" },
      headers: {
        "x-forwarded-host": "uee.example",
        "x-forwarded-proto": "https",
        origin: "https://uee.example",
      },
    });
    expect([behind.status, behind.headers["set-cookie"]?.[0]]).toEqual([
      200,
      expect.stringMatching(/; Secure/),
    ]);
  });

  test("holds at every dashboard of the fleet, and acts there under its name alone", async () => {
    const { cookie, csrf } = await logIn("bo");
    expect((await other.ask("/api/session", { headers: { cookie } })).json).toMatchObject({
      actor: "bo",
      csrfToken: csrf,
    });
    const paused = await other.ask("/api/providers/cwe/pause", {
      method: "POST",
      body: { reason: "audit" },
      headers: { cookie, "x-csrf-token": csrf, "x-actor": "another name" },
    });
    expect(paused.status).toBe(202);
    expect(paused.json).toMatchObject({ machine: { state: "PAUSED", actor: "bo", reason: "audit" } });
  });

  test("that is ended, is ended everywhere, and no other one with it", async () => {
    const [leaving, staying] = [await logIn("ann"), await logIn("ann")];
    const status = async (served: Served, cookie: string) =>
      (await served.ask("/api/session", { headers: { cookie } })).status;
    expect(await status(other, leaving.cookie)).toBe(200);
    const headers = { cookie: leaving.cookie, "x-csrf-token": leaving.csrf };
    const ended = await dashboard.ask("/api/session", { method: "DELETE", headers });
    expect(ended.status).toBe(204);
    expect(ended.headers["set-cookie"]![0]).toMatch(/uee_session_\w+=;.*Expires=Thu, 01 Jan 1970/);
    expect(await status(dashboard, leaving.cookie)).toBe(401);
    await until(async () => (await status(other, leaving.cookie)) === 401);
    expect(await status(other, staying.cookie)).toBe(200);
  });
});

describe("every answer", () => {
  test("carries the headers that keep browsers safe", async () => {
    for (const path of ["/api/etl-tree", "/livez", "/api/nothing"]) {
      const { headers } = await dashboard.get(path);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["x-frame-options"]).toBe("SAMEORIGIN");
      expect(headers["referrer-policy"]).toBe("no-referrer");
      expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
      expect(headers["content-security-policy"]).toContain("default-src 'self'");
      expect(headers["content-security-policy"]).not.toContain("unsafe");
      expect(headers["access-control-allow-origin"]).toBeUndefined();
      expect(headers["x-powered-by"]).toBeUndefined();
    }
  });
});

describe("limits", () => {
  test("too many requests from one address are told when to come back", async () => {
    const strict = await dashboard.another({ limits: { requests: 5 } });
    for (let i = 0; i < 5; i++) expect((await strict.get("/api/workers")).status).toBe(200);
    const answer = await strict.get("/api/workers");
    expect([answer.status, answer.json.code]).toEqual([429, "API_RATE_LIMITED"]);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    expect((await strict.ask("/livez")).status).toBe(200);
  });

  test("who guesses tokens is stopped, the right one included", async () => {
    const strict = await dashboard.another({ limits: { refusals: 5 } });
    for (let i = 0; i < 5; i++) {
      expect((await strict.ask("/api/workers", { headers: { authorization: `Bearer ${i}` } })).status).toBe(
        401,
      );
    }
    const guess = await strict.ask("/api/workers", { headers: { authorization: "Bearer 6" } });
    expect([guess.status, guess.json.code]).toEqual([429, "API_RATE_LIMITED"]);
    expect((await strict.ask("/api/workers", { headers: bearer })).status).toBe(429);
  });

  test("so is who guesses at the login", async () => {
    const strict = await dashboard.another({ limits: { logins: 3 } });
    const attempt = () => strict.ask("/api/session", { method: "POST", body: { token: "no", name: "eve" } });
    for (let i = 0; i < 3; i++) expect((await attempt()).status).toBe(401);
    expect((await attempt()).status).toBe(429);
  });
});
