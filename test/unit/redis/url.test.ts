import { describe, expect, test } from "@jest/globals";
import { redactRedisUrl } from "../../../src/core/secrets.ts";
import { parseRedisUrl } from "../../../src/redis/url.ts";

describe("REDIS_URL", () => {
  test.each([
    ["redis://cache", { host: "cache", port: 6379, db: 0 }],
    ["redis://cache:6380/3", { host: "cache", port: 6380, db: 3 }],
    ["redis://cache/?db=4", { host: "cache", port: 6379, db: 4 }],
    ["redis://:s%40crt@cache", { host: "cache", port: 6379, password: "s@crt", db: 0 }],
    ["redis://uee:a/b:c@cache/1", { host: "cache", port: 6379, username: "uee", password: "a/b:c", db: 1 }],
    ["redis://[::1]:7000", { host: "::1", port: 7000, db: 0 }],
    ["unix:/run/redis.sock", { path: "/run/redis.sock", db: 0 }],
    [
      "unix:///run/my%20redis.sock?db=2&user=u&password=p%3F",
      { path: "/run/my redis.sock", username: "u", password: "p?", db: 2 },
    ],
    [
      "rediss://cache:6380",
      { host: "cache", port: 6380, db: 0, tls: { ca: undefined, servername: "cache" } },
    ],
    [
      "rediss://10.0.0.1",
      { host: "10.0.0.1", port: 6379, db: 0, tls: { ca: undefined, servername: undefined } },
    ],
  ])("%s is understood", (url, options) => {
    expect(parseRedisUrl(url)).toEqual(options);
  });

  test("with Sentinel it names the sentinels, the master and both sets of credentials", () => {
    const url =
      "redis+sentinel://app:pw@s1,s2:26380,[::1]/mymaster/2?sentinelUser=watch&sentinelPassword=w%26w";
    expect(parseRedisUrl(url)).toEqual({
      sentinels: [
        { host: "s1", port: 26379 },
        { host: "s2", port: 26380 },
        { host: "::1", port: 26379 },
      ],
      name: "mymaster",
      role: "master",
      username: "app",
      password: "pw",
      sentinelUsername: "watch",
      sentinelPassword: "w&w",
      db: 2,
    });
    expect(parseRedisUrl("rediss+sentinel://s1/m")).toMatchObject({
      tls: {},
      sentinelTLS: {},
      enableTLSForSentinelMode: true,
    });
  });

  test("of a cluster it names nodes, and credentials for all of them", () => {
    expect(parseRedisUrl("redis+cluster://app:p%40w@n1,n2:7001,[::1]:7002")).toEqual({
      seeds: [
        { host: "n1", port: 6379 },
        { host: "n2", port: 7001 },
        { host: "::1", port: 7002 },
      ],
      username: "app",
      password: "p@w",
    });
    expect(parseRedisUrl("rediss+cluster://n1/0")).toEqual({ seeds: [{ host: "n1", port: 6379 }], tls: {} });
  });

  test.each([
    ["http://cache", /must start with redis:\/\/, rediss:\/\/, unix:/],
    ["cache:6379", /must start with/],
    ["redis://a,b", /several hosts.*redis\+sentinel/],
    ["redis+cluster://a,b/1", /only database 0/],
    ["redis+cluster://a?db=0", /'db' is no parameter of it; known are none/],
    ["redis://cache:99999", /'cache:99999' is not host or host:port/],
    ["redis://cache/one", /'one' is not the number of a database/],
    ["redis://cache?tls=1", /'tls' is no parameter/],
    ["redis+sentinel://s1,s2", /master's name is missing/],
    ["unix:run/redis.sock", /must be absolute/],
    ["redis://u:100%@cache", /% in it is not followed by two hex digits/],
  ])("%s is refused with what would be right", (url, why) => {
    expect(() => parseRedisUrl(url)).toThrow(
      expect.objectContaining({ code: "SYS_CONFIG_INVALID", message: expect.stringMatching(why) }),
    );
  });

  test("a certificate authority that cannot be read is named", () => {
    expect(() => parseRedisUrl("rediss://cache", "/nowhere/ca.pem")).toThrow(
      /REDIS_TLS_CA: '\/nowhere\/ca.pem'/,
    );
  });

  test.each([
    "redis://u:hunter2@cache/x",
    "redis://u:hunter2@a,b",
    "redis://u:hun?ter2@cache",
    "redis://u:hun#ter2@cache",
    "redis://u:hun@ter2@cache:70000",
    "redis://u:hun/ter2@cache?tls=1",
    "unix:/run/r.sock?password=hunter2&nope=1",
    "redis+sentinel://u:hunter2@s1?sentinelPassword=hunter2",
    "nonsense://u:hunter2@cache",
  ])("what is said of %s shows nothing of its password", (url) => {
    let said = "";
    try {
      parseRedisUrl(url);
    } catch (error) {
      said = String(error);
    }
    expect(said).toContain("SYS_CONFIG_INVALID");
    expect(said).not.toMatch(/hun|ter2/);
    expect(redactRedisUrl(url)).toContain("***");
  });

  test("redacting keeps the rest readable", () => {
    expect(redactRedisUrl("rediss://app:pw@cache:6380/1")).toBe("rediss://app:***@cache:6380/1");
    expect(redactRedisUrl("redis://cache")).toBe("redis://cache");
  });
});
