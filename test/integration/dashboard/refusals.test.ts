/** Unauthenticated, cross-site and malformed requests: each is refused, with a code and a remedy, and changes nothing. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { SessionTokens } from "../../../src/dashboard/security/sessionTokens.ts";
import type { Answer, Asking } from "../../support/httpAsk.ts";
import { bearer, type Served, startDashboard, type TestDashboard, token } from "./support.ts";

let locked: TestDashboard;
let open: TestDashboard;
/** A browser that has logged in: its cookie and CSRF token. */
let login: { cookie: string; csrf: string };
let openCsrf: string;

beforeAll(async () => {
  [locked, open] = await Promise.all([startDashboard(), startDashboard({ open: true })]);
  const answer = await locked.ask("/api/session", { method: "POST", body: { token, name: "ann" } });
  login = { cookie: cookieOf(answer), csrf: answer.json.csrfToken as string };
  openCsrf = (await open.ask("/api/session")).json.csrfToken as string;
});
afterAll(async () => {
  // None of the requests above changed anything.
  for (const dashboard of [locked, open]) {
    expect((await dashboard.get("/api/transitions")).json).toEqual({ transitions: [] });
    expect((await dashboard.get("/api/permits")).json).toMatchObject({ configured: null });
    expect((await dashboard.get("/api/runs")).json).toEqual({ runs: [] });
  }
  await Promise.all([locked.close(), open.close()]);
});

const cookieOf = (answer: Answer): string => answer.headers["set-cookie"]![0]!.split(";")[0]!;

async function refused(
  served: Served,
  path: string,
  asking: Asking,
  status: number,
  code: string,
): Promise<void> {
  const answer = await served.ask(path, asking);
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(code)]);
  expect(answer.json).toMatchObject({ code, message: expect.any(String), remedy: expect.any(String) });
  expect(answer.headers["content-type"]).toMatch(/^application\/json/);
}

describe("without credentials", () => {
  const reads = [
    ...[
      "/api/etl-tree",
      "/api/overview",
      "/api/kernel-metrics",
      "/api/kernel-metrics/history",
      "/api/permits",
    ],
    ...["/api/workers", "/api/runs", "/api/transitions", "/api/quota-events", "/api/changes", "/api/session"],
    ...[
      "/api/providers/cve/checkpoints",
      "/api/records/CVE-2021-44228",
      "/events",
      "/openapi.json",
      "/metrics",
    ],
    ...["/api/dead-letters", "/api/dead-letters/stats", "/api/dead-letters/r-1", "/api/dead-letters/r-1/raw"],
    ...["/api/breakers", "/api/breakers/transitions", "/api/schedules", "/queues", "/queues/api/queues"],
    ...["/api/nothing-here", "/nothing-here"],
  ];
  test.each(reads)("GET %s", async (path) => {
    await refused(locked, path, {}, 401, "API_UNAUTHORIZED");
    expect((await locked.ask(path)).headers["www-authenticate"]).toBe('Bearer realm="uee"');
  });

  const changes: [string, string, unknown][] = [
    ["POST", "/api/providers/cve/start", {}],
    ["POST", "/api/providers/cve/pause", {}],
    ["POST", "/api/providers/cve/resume", {}],
    ["POST", "/api/providers/cve/stop", {}],
    ["PUT", "/api/permits/size", { size: 1 }],
    ["POST", "/api/dead-letters/replay", { filter: {} }],
    ["POST", "/api/dead-letters/accept", { filter: {} }],
    ["POST", "/api/dead-letters/purge", { filter: {} }],
    ["POST", "/api/breakers/cve/reset", {}],
    ["PUT", "/queues/api/queues/pause", {}],
    ["DELETE", "/api/session", undefined],
  ];
  test.each(changes)("%s %s", (method, path, body) =>
    refused(locked, path, { method, body }, 401, "API_UNAUTHORIZED"),
  );

  test("the probes answer", async () => {
    for (const path of ["/livez", "/readyz"]) expect((await locked.ask(path)).json).toEqual({ status: "ok" });
  });
});

describe("with wrong credentials", () => {
  const cases: [string, () => Asking["headers"]][] = [
    ["another token", () => ({ authorization: "Bearer wrong" })],
    ["the token and more", () => ({ authorization: `Bearer ${token}x` })],
    ["a part of the token", () => ({ authorization: `Bearer ${token.slice(0, -1)}` })],
    ["no token", () => ({ authorization: "Bearer " })],
    ["another scheme", () => ({ authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}` })],
    ["the bare token", () => ({ authorization: token })],
    ["a wrong token beside a login", () => ({ authorization: "Bearer wrong", cookie: login.cookie })],
    ["a cookie that was made up", () => ({ cookie: `${login.cookie.split("=")[0]}=W10.AAAA` })],
    ["a cookie without signature", () => ({ cookie: login.cookie.split(".")[0]! })],
    ["a cookie whose name was changed", () => ({ cookie: renamed(login.cookie, "root") })],
    ["a login of another token", () => ({ cookie: cookieFor(new SessionTokens("another token")) })],
    [
      "a login that has ended",
      () => ({ cookie: cookieFor(new SessionTokens(token), Date.now() - 13 * 3_600_000) }),
    ],
    ["an empty cookie", () => ({ cookie: `${login.cookie.split("=")[0]}=` })],
  ];
  test.each(cases)("%s", (_name, headers) =>
    refused(locked, "/api/etl-tree", { headers: headers() }, 401, "API_UNAUTHORIZED"),
  );

  test("the token in the address", () =>
    refused(locked, `/api/etl-tree?token=${token}`, {}, 401, "API_UNAUTHORIZED"));

  test("a login with a wrong token", () =>
    refused(
      locked,
      "/api/session",
      { method: "POST", body: { token: "wrong", name: "eve" } },
      401,
      "API_LOGIN_REFUSED",
    ));

  test("a login with a name that cannot be kept", async () => {
    for (const name of ["", " ", "a\nb", "<b>", "x".repeat(65)]) {
      await refused(locked, "/api/session", { method: "POST", body: { token, name } }, 400, "API_BAD_INPUT");
    }
  });

  const cookieFor = (tokens: SessionTokens, now = Date.now()): string =>
    `${login.cookie.split("=")[0]}=${tokens.issue("eve", now).cookie}`;
  const renamed = (cookie: string, name: string): string => {
    const [key, value = ""] = cookie.split("=");
    const [body = "", signature] = value.split(".");
    const facts = JSON.parse(Buffer.from(body, "base64url").toString()) as unknown[];
    facts[1] = name;
    return `${key}=${Buffer.from(JSON.stringify(facts)).toString("base64url")}.${signature}`;
  };
});

describe("from another site, in a browser that has logged in", () => {
  const cases: [string, (host: string) => Asking["headers"], string][] = [
    ["with the login's cookie alone", () => ({}), "API_CSRF"],
    ["with a made-up CSRF token", () => ({ "x-csrf-token": "AAAA" }), "API_CSRF"],
    [
      "with the CSRF token of another login",
      () => ({ "x-csrf-token": new SessionTokens(token).csrfToken("x") }),
      "API_CSRF",
    ],
    [
      "that the browser calls cross-site",
      () => ({ ...good(), "sec-fetch-site": "cross-site" }),
      "API_CROSS_SITE",
    ],
    [
      "that the browser calls same-site",
      () => ({ ...good(), "sec-fetch-site": "same-site" }),
      "API_CROSS_SITE",
    ],
    ["with another origin", () => ({ ...good(), origin: "https://evil.example" }), "API_CROSS_SITE"],
    ["with an origin that hides", () => ({ ...good(), origin: "null" }), "API_CROSS_SITE"],
    ["with this host on another port", () => ({ ...good(), origin: "http://127.0.0.1:1" }), "API_CROSS_SITE"],
    [
      "with a host that begins like ours",
      (host) => ({ ...good(), origin: `http://${host}.evil.example` }),
      "API_CROSS_SITE",
    ],
  ];
  const good = () => ({ "x-csrf-token": login.csrf });
  test.each(cases)("a change %s", (_name, headers, code) =>
    refused(
      locked,
      "/api/providers/cve/start",
      { method: "POST", headers: { cookie: login.cookie, ...headers(new URL(locked.url).host) } },
      403,
      code,
    ),
  );

  test("a read from a script or an image of another site", async () => {
    for (const dest of ["script", "image", "empty", "iframe"]) {
      const headers = { cookie: login.cookie, "sec-fetch-site": "cross-site", "sec-fetch-dest": dest };
      await refused(locked, "/api/etl-tree", { headers }, 403, "API_CROSS_SITE");
    }
  });

  test("a login out of another site's form", () =>
    refused(
      locked,
      "/api/session",
      { method: "POST", body: { token, name: "ann" }, headers: { origin: "https://evil.example" } },
      403,
      "API_CROSS_SITE",
    ));

  test("the same change from the dashboard's own page is accepted", async () => {
    const headers = {
      ...{
        cookie: login.cookie,
        "x-csrf-token": login.csrf,
        origin: locked.url,
        "sec-fetch-site": "same-origin",
      },
    };
    // Refused by its state alone: it came through.
    const answer = await locked.ask("/api/providers/cve/resume", { method: "POST", headers });
    expect([answer.status, answer.json.code]).toEqual([409, "PROV_ILLEGAL_TRANSITION"]);
  });
});

describe("an open dashboard", () => {
  const start = "/api/providers/cve/start";
  const names: [string][] = [
    ["evil.example"],
    ["localhost.evil.example"],
    ["10.0.0.1:8330"],
    ["127.0.0.1.nip.io"],
  ];
  test.each(names)("does not answer to the name %s", async (host) => {
    await refused(open, "/api/etl-tree", { headers: { host } }, 403, "API_HOST_REFUSED");
    await refused(open, start, { method: "POST", headers: { host } }, 403, "API_HOST_REFUSED");
  });

  test("answers to this machine's own names", async () => {
    for (const host of ["localhost", "localhost:1234", "127.0.0.1:9", "[::1]:8330", "uee.localhost"]) {
      expect((await open.ask("/api/etl-tree", { headers: { host } })).status).toBe(200);
    }
  });

  const crossSite: [string, () => Asking["headers"], string][] = [
    ["another site's script", () => ({ origin: "https://evil.example" }), "API_CROSS_SITE"],
    [
      "another site's form",
      () => ({ origin: "https://evil.example", "sec-fetch-site": "cross-site" }),
      "API_CROSS_SITE",
    ],
    [
      "a page of another port",
      () => ({ "sec-fetch-site": "same-site", "x-csrf-token": openCsrf }),
      "API_CROSS_SITE",
    ],
    ["a browser without the CSRF token", () => ({ "sec-fetch-site": "same-origin" }), "API_CSRF"],
    ["a browser with a wrong one", () => ({ origin: open.url, "x-csrf-token": "AAAA" }), "API_CSRF"],
  ];
  test.each(crossSite)("refuses changes of %s", (_name, headers, code) =>
    refused(open, start, { method: "POST", headers: headers() }, 403, code),
  );

  test("takes no logins: there is nothing to log in to", () =>
    refused(
      open,
      "/api/session",
      { method: "POST", body: { token: "x", name: "ann" } },
      404,
      "API_NOT_FOUND",
    ));
});

describe("malformed", () => {
  const size = "/api/permits/size";
  const start = "/api/providers/cve/start";
  const asJson = { "content-type": "application/json" };
  const cases: [string, string, string, unknown, Asking["headers"], number, string][] = [
    ["no JSON", "POST", start, "{not json", asJson, 400, "API_BAD_INPUT"],
    ["a list", "POST", start, [], {}, 400, "API_BAD_INPUT"],
    ["a number", "POST", start, 7, {}, 400, "API_BAD_INPUT"],
    ["null", "POST", start, null, {}, 400, "API_BAD_INPUT"],
    ["an unknown mode", "POST", start, { mode: "fast" }, {}, 400, "API_BAD_INPUT"],
    ["an unknown field", "POST", start, { mode: "full", force: true }, {}, 400, "API_BAD_INPUT"],
    ["a reason that is too long", "POST", start, { reason: "x".repeat(501) }, {}, 400, "API_BAD_INPUT"],
    ["poison", "POST", start, '{"__proto__":{"admin":true}}', asJson, 400, "API_BAD_INPUT"],
    [
      "a form",
      "POST",
      start,
      "mode=full",
      { "content-type": "application/x-www-form-urlencoded" },
      415,
      "API_MEDIA_TYPE",
    ],
    ["plain text", "POST", start, "{}", { "content-type": "text/plain" }, 415, "API_MEDIA_TYPE"],
    ["too much", "POST", start, { reason: "x".repeat(70_000) }, {}, 413, "API_TOO_LARGE"],
    ["an actor with markup", "POST", start, {}, { "x-actor": "<script>" }, 400, "API_BAD_INPUT"],
    ["an actor that is too long", "POST", start, {}, { "x-actor": "x".repeat(101) }, 400, "API_BAD_INPUT"],
    ["an unknown provider", "POST", "/api/providers/nvd/start", {}, {}, 404, "PROV_UNKNOWN"],
    ["a provider that climbs", "POST", "/api/providers/..%2f..%2fetc/start", {}, {}, 404, "PROV_UNKNOWN"],
    ["an unknown action", "POST", "/api/providers/cve/restart", {}, {}, 404, "API_NOT_FOUND"],
    ["no size", "PUT", size, {}, {}, 400, "API_BAD_INPUT"],
    ["a size of none", "PUT", size, { size: 0 }, {}, 400, "API_BAD_INPUT"],
    ["a huge size", "PUT", size, { size: 4_097 }, {}, 400, "API_BAD_INPUT"],
    ["half a permit", "PUT", size, { size: 1.5 }, {}, 400, "API_BAD_INPUT"],
    ["a size as text", "PUT", size, { size: "5" }, {}, 400, "API_BAD_INPUT"],
    ["a limit of none", "GET", "/api/runs?limit=0", undefined, {}, 400, "API_BAD_INPUT"],
    ["a limit in words", "GET", "/api/runs?limit=many", undefined, {}, 400, "API_BAD_INPUT"],
    ["a limit beyond the bound", "GET", "/api/transitions?limit=1001", undefined, {}, 400, "API_BAD_INPUT"],
    ["two limits", "GET", "/api/runs?limit=1&limit=2", undefined, {}, 400, "API_BAD_INPUT"],
    [
      "neither yes nor no",
      "GET",
      "/api/providers/cve/checkpoints?success_only=maybe",
      undefined,
      {},
      400,
      "API_BAD_INPUT",
    ],
    [
      "checkpoints of an unknown provider",
      "GET",
      "/api/providers/nvd/checkpoints",
      undefined,
      {},
      404,
      "PROV_UNKNOWN",
    ],
    ["runs of an unknown provider", "GET", "/api/runs?provider=nvd", undefined, {}, 404, "PROV_UNKNOWN"],
    [
      "changes of an unknown provider",
      "GET",
      "/api/changes?provider=nvd",
      undefined,
      {},
      404,
      "PROV_UNKNOWN",
    ],
    [
      "a URN of an unknown authority",
      "GET",
      "/api/records/v2e::unknown::cve::CVE-1",
      undefined,
      {},
      400,
      "VAL_URN",
    ],
    ["a broken address", "GET", "/api/records/%E0%A4%A", undefined, {}, 400, "API_BAD_INPUT"],
    ["an endless name", "GET", `/api/records/${"x".repeat(1_500)}`, undefined, {}, 413, "API_TOO_LARGE"],
    ["another method", "PATCH", "/api/etl-tree", undefined, {}, 404, "API_NOT_FOUND"],
  ];
  test.each(cases)("%s", (_name, method, path, body, headers, status, code) =>
    refused(locked, path, { method, body, headers: { ...bearer, ...headers } }, status, code),
  );

  test("what is wrong with which value is told", async () => {
    const { json } = await locked.send("PUT", size, { size: 0, colour: "red" });
    expect(json.fields).toEqual(
      expect.arrayContaining([{ field: "body.size", problem: expect.any(String) }]),
    );
  });

  test("what is not even HTTP is answered with 400 and nothing else", async () => {
    for (const garbage of [
      "GARBAGE\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET / HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    ]) {
      const said = await raw(locked.url, garbage);
      expect(said).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(JSON.parse(said.split("\r\n\r\n")[1]!)).toMatchObject({ code: expect.stringMatching(/^API_/) });
    }
  });
});

function raw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk;
    });
    socket.on("close", () => resolve(said));
    socket.on("error", reject);
  });
}
