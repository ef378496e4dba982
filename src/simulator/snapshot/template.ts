/**
 * Entries of the XML catalogues out of templates. A placeholder in braces is filled the same way in the XML and in the JSON
 * form of a section, whatever their order:
 *
 *   {t…} prose   {s…} a sentence   {n…} a number   {x…} rich text (XHTML in XML)   {a|b|c} one of these
 *
 * XML leaves much open (CDATA, character references, comments, quotes, empty tags); the templates and `characters` use it
 * all, because readers must not care.
 */
import { hashText, mix, Random } from "../random.ts";
import { paragraph, sentence } from "../words.ts";

/** A list of equal elements, or a single one where `in` is absent. */
export interface Section {
  /** The element around the items. */
  in?: string;
  /** One item's markup. */
  xml: string;
  /** The property and item of the JSON form; absent: XML only. A text instead of an object stands as it is. */
  json?: readonly [name: string, item: unknown];
  /** Maximum number of items; minimum `least` (default 0). */
  most: number;
  least?: number;
}

type Block = { p: string } | { ul: string[] } | { code: string };

const oddities = [
  " It’s “quoted” — and so on.",
  " Compare a < b && b > c.",
  " Use &amp; not &.",
  " naïve café.",
  " x\u00a0y.",
  " 😀 𝒳.",
] as const;

const prose = (random: Random): string =>
  paragraph(random, random.int(0, 2)) + (random.chance(0.3) ? random.pick(oddities) : "");

function blocks(random: Random): Block[] {
  const list: Block[] = [{ p: prose(random) }];
  if (random.chance(0.4)) list.push({ ul: [sentence(random), sentence(random)] });
  if (random.chance(0.2)) list.push({ code: 'if (a < b && c > 0) {\n\tprintf("%s", x);\n}' });
  return list;
}

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
export const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (c) => escapes[c]!);

/** Character data in one of the forms that XML allows. */
function characters(text: string, random: Random): string {
  if (/[&<]/.test(text) && random.chance(0.3)) return `<![CDATA[${text}]]>`;
  if (!random.chance(0.1)) return escapeXml(text);
  return escapeXml(text).replace(/[’é—]/g, (c) => `&#x${c.charCodeAt(0).toString(16).toUpperCase()};`);
}

const asXhtml = (content: readonly Block[]): string =>
  content
    .map((block) =>
      "p" in block
        ? `\n<xhtml:p>${escapeXml(block.p)}</xhtml:p>`
        : "code" in block
          ? `\n<xhtml:div style="margin-left:1em;">${escapeXml(block.code).replaceAll("\n", "<xhtml:br/>")}</xhtml:div>`
          : `\n<xhtml:ul>${block.ul.map((item) => `<xhtml:li>${escapeXml(item)}</xhtml:li>`).join("")}</xhtml:ul>`,
    )
    .join("");

const asText = (content: readonly Block[]): string =>
  `\n\n${content
    .map((block) =>
      "p" in block ? block.p : "code" in block ? block.code : `  - ${block.ul.join("\n\n  - ")}`,
    )
    .join("\n\n\n")}\n`;

/** Fills placeholders; `seed` stands for the entry, section and item. */
class Filler {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  #random(name: string): Random {
    return new Random(mix(this.#seed, hashText(name)));
  }

  xml(template: string): string {
    return template.replace(/\{([^{}]+)\}/g, (_, name: string) => {
      const random = this.#random(name);
      if (name.startsWith("x") && !name.includes("|")) return asXhtml(blocks(random));
      return characters(this.#plain(name, random), random);
    });
  }

  #plain(name: string, random: Random): string {
    if (name.includes("|")) return random.pick(name.split("|"));
    if (name.startsWith("t")) return prose(random);
    if (name.startsWith("s")) return sentence(random).slice(0, 50);
    return String(random.int(1, 1_400));
  }

  json(template: unknown): unknown {
    if (typeof template === "string")
      return template.replace(/\{([^{}]+)\}/g, (_, name: string) => {
        const random = this.#random(name);
        return name.startsWith("x") && !name.includes("|")
          ? asText(blocks(random))
          : this.#plain(name, random);
      });
    if (Array.isArray(template)) return template.map((one) => this.json(one));
    return Object.fromEntries(
      Object.entries(template as object).map(([key, value]) => [key, this.json(value)]),
    );
  }
}

/** The sections of an entry, in both forms. */
export function fillSections(
  seed: number,
  sections: readonly Section[],
): { xml: string; json: Record<string, unknown> } {
  let xml = "";
  const json: Record<string, unknown> = {};
  for (const [place, section] of sections.entries()) {
    const count = new Random(mix(seed, place, 0x5ec)).int(section.least ?? 0, section.most);
    if (count === 0) continue;
    const fillers = Array.from({ length: count }, (_, item) => new Filler(mix(seed, place, 1 + item)));
    const items = fillers.map((filler) => `${filler.xml(section.xml)}\n`).join("");
    xml += section.in === undefined ? items : `<${section.in}>\n${items}</${section.in}>\n`;
    if (!section.json) continue;
    const [name, item] = section.json;
    const values = fillers.map((filler) => filler.json(item));
    json[name] = section.in === undefined ? values[0] : values;
  }
  return { xml, json };
}
