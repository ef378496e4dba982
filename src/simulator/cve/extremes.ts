/**
 * Records that break mirrors: the largest sizes ever seen in the feed, unusual text, and valid JSON that programs often
 * mishandle, as raw JSON text where the notation matters (escaped lone surrogates, `__proto__`, 1e21, -0, duplicate keys).
 */
import { fixtureLines } from "../fixtures.ts";
import { cpeMatchTexts } from "./pools.ts";

export interface Extreme {
  /** Fields of the usual head that the record has. */
  head: readonly string[];
  /** What follows the head and its comma; no closing brace. */
  rest: Buffer;
}

const HEAD = "id sourceIdentifier published lastModified";
const extreme = (head: string, rest: string): Extreme => ({ head: head.split(" "), rest: Buffer.from(rest) });

/** Each line is what follows the head; a head of other fields comes before it, with a tab. */
const small = fixtureLines("extremes").map((line) => {
  const [rest, head = HEAD] = line.split("\t").reverse();
  return extreme(head, rest!);
});

const plain = '"cveTags":[],"metrics":{},"references":[]';
const described = (text: string): string => `"descriptions":[{"lang":"en","value":"${text}"}],${plain}`;
const nodes = (matches: readonly string[]): string =>
  `{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[${matches}]}]}`;

const references = Array.from(
  { length: 434 },
  (_, i) => `{"url":"https://lists.example/advisory/${i % 400}","source":"cve@mitre.org"}`,
);

const large = [
  described("Una vulnerabilidad en la funciÃ³n Â¿quÃ© de cÃ³digo â€œmÃ¡sâ€\u009d"),
  described(
    "zero\u200bwidth\u200d \u2060er \u202eltr\u202c \u2066iso\u2069 ls\u2028ps\u2029 bom\ufeff nbsp\u00a0",
  ),
  `\n  "descriptions" : [ { "lang" : "en" ,\r\n\t"value" : "spaced" } ] ,\n ${plain} `,
  described("x ".repeat(2_000)),
  `"references":[{"url":"https://long.example/${"p".repeat(2_026)}"}],"descriptions":[],"metrics":{}`,
  `"x_deep":${'{"deeper":'.repeat(100)}"end"${"}".repeat(100)},${described("deep")}`,
  `"references":[${references}],"descriptions":[],"metrics":{}`,
  `"configurations":[${Array.from({ length: 629 }, () => nodes(cpeMatchTexts(2)))}],${described("629 configurations")}`,
  `"configurations":[${nodes(cpeMatchTexts(4_450))}],${described("684 KB")}`,
];

/** Shared by all simulators: never written to. */
export const extremes: readonly Extreme[] = [...small, ...large.map((rest) => extreme(HEAD, rest))];
