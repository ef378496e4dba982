/**
 * Records that break mirrors: the largest sizes ever seen in the feed, unusual text, and valid JSON that programs
 * often mishandle. Each is the remainder of a record after its usual head, as raw JSON text where the notation
 * matters (escaped lone surrogates, `__proto__`, 1e21, -0, duplicate keys).
 */
import { bySeed, Random } from "../random.ts";
import { cpeMatch } from "./pools.ts";

export interface Special {
  name: string;
  /** Follows the head's comma; no closing brace. */
  rest: Buffer;
  /** Instead of the usual head; ends in a comma. */
  head?: (meta: { id: string; published: string; lastModified: string }) => string;
}

const plain = '"cveTags":[],"metrics":{},"references":[]';
const describe = (value: string): string =>
  `"descriptions":[{"lang":"en","value":${JSON.stringify(value)}}],${plain}`;

const matches = (random: Random, count: number): string =>
  Array.from({ length: count }, () => JSON.stringify(cpeMatch(random))).join(",");

const configurations = (random: Random, nodes: number, each: number): string =>
  `"configurations":[${Array.from(
    { length: nodes },
    () => `{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[${matches(random, each)}]}]}`,
  ).join(",")}],${describe("A record with very many configurations.")}`;

const nested = (depth: number): string => `${'{"deeper":'.repeat(depth)}"end"${"}".repeat(depth)}`;

/** Shared by all simulators of a seed: never written to. */
export const makeSpecials = bySeed((seed): readonly Special[] => {
  const random = new Random(seed ^ 0x5bec);
  const special = (name: string, rest: string, head?: Special["head"]): Special => ({
    name,
    rest: Buffer.from(rest, "utf8"),
    ...(head ? { head } : {}),
  });
  const references = Array.from(
    { length: 434 },
    (_, i) => `{"url":"https://lists.example/advisory/${i % 400}","source":"cve@mitre.org"}`,
  ).join(",");
  return [
    special("carriage returns", describe("First line\r\nSecond line\rthird\r\n\r\nend\r\n")),
    special(
      "empty es value",
      `"descriptions":[{"lang":"en","value":"Has text."},{"lang":"es","value":""}],${plain}`,
    ),
    special("mojibake", describe("Una vulnerabilidad en la funciÃ³n Â¿quÃ© de cÃ³digo â€œmÃ¡sâ€\u009d")),
    special("replacement characters", describe("ejecuci\ufffd\ufffdn de c\ufffdodigo \ufffd")),
    special(
      "zero width and bidi",
      describe(
        "zero\u200bwidth\u200d join\u2060er \u202eltr\u202c \u2066iso\u2069 ls\u2028ps\u2029 bom\ufeff nbsp\u00a0",
      ),
    ),
    special(
      "lone surrogates",
      `"descriptions":[{"lang":"en","value":"high \\ud800 low \\udfff swapped \\udc00\\ud800 pair \\ud83d\\ude00"}],${plain}`,
    ),
    special("emoji and astral", describe("😀👩‍👩‍👧‍👦 𝒳 𠜎 é ≠ é, ﷽")),
    special(
      "escapes",
      `"descriptions":[{"lang":"en","value":"\\u0000 \\u001f \\/ \\b\\f \\u007f \\u0041"}],${plain}`,
    ),
    special(
      "dangerous keys",
      `"cveTags":[],"descriptions":[{"lang":"en","value":"keys"}],"metrics":{"__proto__":{"polluted":true},` +
        '"constructor":{"prototype":{"polluted":"yes"}},"toString":"mine","hasOwnProperty":null,"":"empty key"},"references":[]',
    ),
    special(
      "top-level dangerous key",
      `"__proto__":{"polluted":true},"constructor":"c","length":3,"0":"zero","${"k".repeat(300)}":1,${describe("keys")}`,
    ),
    special(
      "explicit nulls",
      '"cveTags":null,"descriptions":[{"lang":"en","value":null}],"metrics":null,"references":null,"cisaExploitAdd":null',
    ),
    special(
      "odd numbers",
      '"descriptions":[],"metrics":{"a":1e21,"b":-0,"c":0.1,"d":1E-7,"e":9007199254740993,"f":123456789012345680000,' +
        '"g":0.30000000000000004,"h":10.0,"i":5e-324,"j":1.7976931348623157e308},"references":[]',
    ),
    special(
      "duplicate keys",
      `"evaluatorComment":"first","evaluatorComment":"last wins",${describe("twice")}`,
    ),
    special(
      "duplicate urls",
      `${describe("dup").replace('"references":[]', '"references":[{"url":"https://a.example/"},{"url":"https://a.example/"},{"url":"https://a.example/","source":"x"},{"url":"ttps://a.example/"}]')}`,
    ),
    special(
      "no published",
      `"vulnStatus":"Received",${describe("No published time.")}`,
      (meta) => `"id":"${meta.id}","lastModified":"${meta.lastModified}",`,
    ),
    special(
      "null status",
      `"vulnStatus":null,"sourceIdentifier":null,${describe("Null where a text was.")}`,
      (meta) => `"id":"${meta.id}","published":"${meta.published}","lastModified":"${meta.lastModified}",`,
    ),
    special(
      "unknown fields",
      `"ssvcMetrics":{"ssvcV203":[{"source":"x","ssvcData":{"role":"CISA"}}]},"x_future":[[1,[2,[3]]],{"deep":{"er":[]}}],"priority":"lowest priority",${describe("drift")}`,
    ),
    special(
      "keys out of order",
      `"references":[],"metrics":{},"descriptions":[{"value":"order","lang":"en"}],"cveTags":[]`,
    ),
    special(
      "white space",
      `\n  "descriptions" : [ { "lang" : "en" ,\r\n\t"value" : "spaced" } ] ,\n ${plain} `,
    ),
    special("minimal", '"descriptions":[]'),
    special("long description", describe("x ".repeat(2_000))),
    special(
      "long url",
      `"references":[{"url":"https://long.example/${"p".repeat(2_026)}"}],"descriptions":[],"metrics":{}`,
    ),
    special(
      "six metrics",
      `"descriptions":[],"references":[],"metrics":{"cvssMetricV31":[${Array.from({ length: 6 }, (_, i) => `{"source":"s${i}","type":"Secondary","cvssData":{"version":"3.1","baseScore":${i}.5}}`).join(",")}]}`,
    ),
    special(
      "CVSS 4.0 as it first appeared",
      '"metrics":{"cvssMetricV40":[{"source":"cna@example.net","type":"Secondary","cvssData":{"version":"4.0","baseScore":9.3,' +
        '"vulnerableSystemConfidentiality":"HIGH","exploitMaturity":"PROOF-OF-CONCEPT","Safety":"SAFETY"}}]},' +
        '"descriptions":[],"references":[]',
    ),
    special("deep nesting", `"x_deep":${nested(100)},${describe("deep")}`),
    special("434 references", `"references":[${references}],"descriptions":[],"metrics":{}`),
    special("629 configurations", configurations(random, 629, 2)),
    special("684 KB", configurations(random, 1, 4_450)),
  ];
});
