import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import { makeScrubber } from "../../../src/core/secrets.ts";
import { linkedHop, makeHop, nextHop } from "../../../src/upstream/hops.ts";

const first = (url: string, headers: Record<string, string> = {}) =>
  makeHop({ url, headers, maxBytes: 1, expect: "json" }, "uee/test");
const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof UeeError) return error.code;
    throw error;
  }
  return undefined;
};

describe("a redirect", () => {
  const from = first("https://a.example/x/y?z", { apiKey: "k", "If-None-Match": '"1"' });

  test("within an origin takes all headers along, by a relative address too", () => {
    const hop = nextHop(from, "../w", new Set([from.url.href]));
    expect(hop.url.href).toBe("https://a.example/w");
    expect(hop.headers).toEqual(from.headers);
  });

  test("to another origin leaves the credentials behind, for good", () => {
    const away = nextHop(from, "https://b.example/", new Set([from.url.href]));
    expect(Object.keys(away.headers).sort()).toEqual([
      "If-None-Match",
      "accept",
      "accept-encoding",
      "user-agent",
    ]);
    const back = nextHop(away, "https://a.example/again", new Set([from.url.href, away.url.href]));
    expect(back.headers).not.toHaveProperty("apiKey");
  });

  test("to another port or scheme of the same host is one to another origin", () => {
    expect(nextHop(from, "https://a.example:8443/", new Set()).headers).not.toHaveProperty("apiKey");
    const plain = first("http://a.example/", { apiKey: "k" });
    expect(nextHop(plain, "https://a.example/", new Set()).headers).not.toHaveProperty("apiKey");
  });

  test.each([
    ["without encryption", "http://a.example/"],
    ["to where it came from", "https://a.example/x/y?z#part"],
    ["to a file", "file:///etc/passwd"],
    ["nowhere", undefined],
    ["to nonsense", "https://"],
  ])("%s is refused", (_name, location) => {
    expect(codeOf(() => nextHop(from, location, new Set([from.url.href])))).toBe("PROV_REDIRECTS");
  });

  test.each([
    "http://127.0.0.1/",
    "http://localhost:9000/",
    "http://x.localhost/",
    "http://[::1]/",
    "http://0.0.0.0/",
    "http://[::ffff:127.0.0.1]/",
    "http://2130706433/",
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]/",
  ])("from elsewhere to %s is refused, and so is an address in an answer", (near) => {
    const plain = first("http://a.example/");
    expect(codeOf(() => nextHop(plain, near, new Set()))).toBe("PROV_REDIRECTS");
    expect(codeOf(() => linkedHop(plain, asked(near), "uee"))).toBe("PROV_REDIRECTS");
    // Where the answer itself came from there, it may go on there.
    expect(codeOf(() => nextHop(first(near), new URL("/next", near).href, new Set()))).toBeUndefined();
  });

  test("on this machine does not lead to its link", () => {
    expect(codeOf(() => nextHop(first("http://127.0.0.1/"), "http://169.254.169.254/", new Set()))).toBe(
      "PROV_REDIRECTS",
    );
    expect(
      codeOf(() => nextHop(first("http://127.0.0.1/"), "http://[::1]:8080/", new Set())),
    ).toBeUndefined();
  });

  test("is followed five times, not six", () => {
    const visited = new Set<string>();
    let hop = from;
    for (let i = 1; i <= 5; i++) {
      visited.add(hop.url.href);
      hop = nextHop(hop, `/${i}`, visited);
    }
    visited.add(hop.url.href);
    expect(codeOf(() => nextHop(hop, "/6", visited))).toBe("PROV_REDIRECTS");
  });
});

const asked = (url: string) => ({ url, maxBytes: 1, expect: "json" as const });

describe("an address inside an answer", () => {
  const index = first("https://user:pw@mirror.example/attack/index.json?token=t", {
    apiKey: "k",
    "if-none-match": "1",
  });

  test("of the same origin gets the credentials and the query, not the conditions", () => {
    const hop = linkedHop(index, asked("ics/ics.json"), "uee");
    expect(hop.url.href).toBe("https://mirror.example/attack/ics/ics.json?token=t");
    expect(hop.headers).toMatchObject({
      apiKey: "k",
      authorization: `Basic ${Buffer.from("user:pw").toString("base64")}`,
    });
    expect(hop.headers).not.toHaveProperty("if-none-match");
  });

  test("keeps a query of its own", () => {
    expect(linkedHop(index, asked("/ics.json?v=1"), "uee").url.search).toBe("?v=1");
  });

  test("of another origin gets neither, and its own user and password are not sent", () => {
    const hop = linkedHop(index, asked("https://a:b@other.example/ics.json"), "uee");
    expect(hop.url.href).toBe("https://other.example/ics.json");
    expect(Object.keys(hop.headers).sort()).toEqual(["accept", "accept-encoding", "user-agent"]);
  });

  test("after a redirect to another origin gets none either, wherever it leads", () => {
    const moved = nextHop(index, "https://cdn.example/index.json", new Set());
    const hop = linkedHop(moved, asked("https://mirror.example/ics.json"), "uee");
    expect(hop.headers).not.toHaveProperty("authorization");
    expect(hop.url.search).toBe("");
  });

  test.each(["http://mirror.example/ics.json", "file:///etc/passwd", "https://"])(
    "%s is refused",
    (address) => {
      expect(codeOf(() => linkedHop(index, asked(address), "uee"))).toBe("PROV_REDIRECTS");
    },
  );
});

describe("a secret", () => {
  test("in an address goes into a header and shows nowhere else", () => {
    const hop = first("https://user:p%40ss@a.example/");
    expect(hop.url.href).toBe("https://a.example/");
    expect(hop.headers.authorization).toBe(`Basic ${Buffer.from("user:p@ss").toString("base64")}`);
  });

  test("that the upstream echoes is known, with those of the hops before", () => {
    const hop = first("https://user:p%40ssword@a.example/x?t=t0ken-1", { apiKey: "abcd-ef", accept: "bad" });
    const later = nextHop(hop, "https://b.example/y?sig=s1gnature", new Set());
    const basic = Buffer.from("user:p@ssword").toString("base64");
    const echo = `bad key abcd-ef of user, p@ssword or ${basic}: /x?t=t0ken-1 /y?sig=s1gnature`;
    expect(makeScrubber(later.secrets)(echo)).toBe(
      "bad key [redacted] of [redacted], [redacted] or [redacted]: /x?t=[redacted] /y?sig=[redacted]",
    );
  });
});
