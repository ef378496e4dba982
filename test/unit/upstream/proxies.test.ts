import { describe, expect, test } from "@jest/globals";
import { proxyFor } from "../../../src/upstream/proxies.ts";

const https = new URL("https://services.nvd.nist.gov/x");
const http = new URL("http://10.1.2.3:8080/");
const via = (target: URL, env: Record<string, string>) => {
  const proxy = proxyFor(target, env);
  return proxy && `${proxy.kind} ${proxy.host} by ${proxy.variable}`;
};

describe("the proxy of an address", () => {
  test.each([
    [{ HTTPS_PROXY: "p:1", https_proxy: "q:2" }, "http q:2 by https_proxy"],
    [{ HTTPS_PROXY: "p:1", https_proxy: "" }, "http p:1 by HTTPS_PROXY"],
    [{ HTTP_PROXY: "p:1", http_proxy: "q:2" }, undefined],
    [{ ALL_PROXY: "p:1", all_proxy: "q:2" }, "http q:2 by all_proxy"],
    [{ ALL_PROXY: "p:1", HTTPS_PROXY: "r:3" }, "http r:3 by HTTPS_PROXY"],
    [{}, undefined],
  ])("for https is named by %j: %s", (env, expected) => {
    expect(via(https, env as Record<string, string>)).toBe(expected);
  });

  test("for http is named by http_proxy, HTTP_PROXY or what stands for all", () => {
    expect(via(http, { HTTP_PROXY: "p:1", HTTPS_PROXY: "r:3" })).toBe("http p:1 by HTTP_PROXY");
    expect(via(http, { HTTP_PROXY: "p:1", http_proxy: "q:2" })).toBe("http q:2 by http_proxy");
    expect(via(http, { HTTPS_PROXY: "r:3" })).toBeUndefined();
    expect(via(http, { all_proxy: "socks5://s:9" })).toBe("socks5 s:9 by all_proxy");
  });

  test.each([
    ["proxy:3128", "http proxy:3128", undefined],
    ["proxy", "http proxy:1080", undefined],
    ["127.0.0.1:80", "http 127.0.0.1:80", undefined],
    ["http://proxy:80/", "http proxy:80", undefined],
    ["HTTP://Proxy:3128", "http Proxy:3128", undefined],
    ["https://proxy", "https proxy:443", undefined],
    ["socks5://proxy", "socks5 proxy:1080", undefined],
    ["socks5h://[::1]:9050", "socks5 [::1]:9050", undefined],
    ["me:p%40ss:w@proxy:1", "http proxy:1", { user: "me", password: "p@ss:w" }],
    ["http://me@proxy:1", "http proxy:1", { user: "me", password: "" }],
    ["http://me:a@b@proxy:1", "http proxy:1", { user: "me", password: "a@b" }],
    [" proxy:1\n", "http proxy:1", undefined],
  ])("written %j is understood", (text, expected, credentials) => {
    const proxy = proxyFor(https, { HTTPS_PROXY: text });
    expect([`${proxy?.kind} ${proxy?.host}`, proxy?.credentials]).toEqual([expected, credentials]);
  });

  test.each([
    "socks4://proxy:1",
    "ftp://proxy:1",
    "http://",
    "proxy:port",
    "proxy:99999",
    "http://me:hunter2%zz@proxy:1",
    "http://me:hunter2@pro xy:1",
    "http://me:hunter2@proxy:1/path",
  ])("written %j is an error that names the variable and shows nothing of it", (text) => {
    let thrown: unknown;
    try {
      proxyFor(https, { HTTPS_PROXY: text });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: "PROV_PROXY",
      detail: expect.stringMatching(/^HTTPS_PROXY cannot/),
    });
    expect(String(thrown)).not.toContain("hunter2");
  });

  test.each([
    ["*", true],
    ["nist.gov", true],
    [".nist.gov", true],
    ["*.nist.gov", true],
    ["services.nvd.nist.gov:443", true],
    ["other.gov, NIST.gov.", true],
    ["nist.gov:80", false],
    ["st.gov", false],
    ["10.0.0.0/8", false],
  ])("is gone past for a name in NO_PROXY=%s: %s", (list, exempt) => {
    expect(via(https, { HTTPS_PROXY: "p:1", NO_PROXY: list }) === undefined).toBe(exempt);
  });

  test.each([
    ["10.1.2.3", true],
    ["10.1.2.3:8080", true],
    ["10.1.2.3:80", false],
    ["10.0.0.0/8", true],
    ["10.1.2.0/30", true],
    ["10.1.2.8/30", false],
    ["10.0.0.0/x", false],
    ["1.2.3", false],
  ])("is gone past for an address in NO_PROXY=%s: %s", (list, exempt) => {
    expect(via(http, { HTTP_PROXY: "p:1", no_proxy: list }) === undefined).toBe(exempt);
  });

  test.each(["::1", "[::1]", "[::1]:8080", "::/64"])(
    "is gone past for an IPv6 address in NO_PROXY=%s",
    (list) => {
      expect(via(new URL("http://[::1]:8080/"), { HTTP_PROXY: "p:1", no_proxy: list })).toBeUndefined();
    },
  );
});
