/** Rich text of the catalogues: paragraphs, lists and code, as XHTML and as the plain text of MITRE's JSON. */
import type { Random } from "../random.ts";
import { paragraph, sentence } from "../words.ts";
import { escapeText, type Raw } from "./markup.ts";

export type Block = { p: string } | { ul: string[] } | { code: string };

const oddities = [
  " It’s “quoted” — and so on.",
  " Compare a < b && b > c.",
  " Use &amp; not &.",
  " naïve café.",
  " x\u00a0y.",
  " 😀 𝒳.",
] as const;

export function prose(random: Random): string {
  return paragraph(random, random.int(0, 2)) + (random.chance(0.3) ? random.pick(oddities) : "");
}

export function blocks(random: Random): Block[] {
  const list: Block[] = [{ p: prose(random) }];
  if (random.chance(0.4)) list.push({ ul: [sentence(random), sentence(random)] });
  if (random.chance(0.3)) list.push({ p: prose(random) });
  if (random.chance(0.2)) list.push({ code: 'if (a < b && c > 0) {\n\tprintf("%s", x);\n}' });
  return list;
}

/** With the `xhtml:` prefix that the catalogues declare. */
export function asXhtml(content: readonly Block[], indent = "         "): Raw {
  const inside = content.map((block) => {
    if ("p" in block) return `<xhtml:p>${escapeText(block.p).replace("  ", "<xhtml:br/> ")}</xhtml:p>`;
    if ("code" in block)
      return `<xhtml:div style="margin-left:1em;">${escapeText(block.code).replaceAll("\n", "<xhtml:br/>")}</xhtml:div>`;
    return `<xhtml:ul>${block.ul.map((item) => `<xhtml:li>${escapeText(item)}</xhtml:li>`).join("")}</xhtml:ul>`;
  });
  return { raw: `${inside.map((line) => `\n${indent}${line}`).join("")}\n${indent.slice(3)}` };
}

export const asText = (content: readonly Block[]): string =>
  `\n\n${content
    .map((block) =>
      "p" in block
        ? block.p
        : "code" in block
          ? block.code
          : block.ul.map((item) => `  - ${item}`).join("\n\n"),
    )
    .join("\n\n\n")}\n`;
