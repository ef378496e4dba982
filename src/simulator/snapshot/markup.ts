/**
 * XML as a tree of plain values, and its text. The writer varies what XML leaves open (CDATA, character references,
 * comments, quotes, self-closing tags), because readers must not care.
 */
import type { Random } from "../random.ts";

export interface Element {
  name: string;
  attributes: Record<string, string>;
  children: (Element | Raw)[];
  /** Character data; an element has text or children, not both. */
  text?: string;
}

/** Markup written as it is: mixed content. */
export interface Raw {
  raw: string;
}

export const el = (
  name: string,
  attributes: Record<string, string | undefined> = {},
  ...content: (Element | Raw | string | undefined)[]
): Element => {
  const kept = Object.entries(attributes).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const children = content.filter((one): one is Element | Raw => typeof one === "object");
  const text = content.filter((one): one is string => typeof one === "string").join("");
  return {
    name,
    attributes: Object.fromEntries(kept),
    children,
    ...(children.length === 0 && text !== "" ? { text } : {}),
  };
};

/** The list element, or nothing where it would be empty. */
export const list = (name: string, items: (Element | Raw)[]): Element | undefined =>
  items.length === 0 ? undefined : el(name, {}, ...items);

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
export const escapeText = (text: string): string => text.replace(/[&<>]/g, (c) => escapes[c]!);
const escapeAttribute = (text: string): string =>
  escapeText(text)
    .replace(/"/g, "&quot;")
    .replace(/[\n\t]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Character data in one of the ways XML allows. */
function characters(text: string, random: Random): string {
  if (/[&<]/.test(text) && random.chance(0.3) && !text.includes("]]>")) return `<![CDATA[${text}]]>`;
  const escaped = escapeText(text);
  if (!random.chance(0.1)) return escaped;
  return escaped.replace(/[’é—]/g, (c) =>
    random.chance(0.5) ? `&#${c.charCodeAt(0)};` : `&#x${c.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}

export function writeElement(element: Element, random: Random, indent = "   "): string {
  const attributes = Object.entries(element.attributes)
    .map(([name, value]) =>
      random.chance(0.05) && !value.includes("'")
        ? ` ${name}='${escapeText(value)}'`
        : ` ${name}="${escapeAttribute(value)}"`,
    )
    .join("");
  const open = `${indent}<${element.name}${attributes}`;
  if (element.text !== undefined) return `${open}>${characters(element.text, random)}</${element.name}>\n`;
  if (element.children.length === 0)
    return random.chance(0.5) ? `${open}/>\n` : `${open}></${element.name}>\n`;
  if (element.children.some((child) => "raw" in child)) {
    const inside = element.children.map((child) => ("raw" in child ? child.raw : "")).join("");
    return `${open}>${inside}</${element.name}>\n`;
  }
  let text = `${open}>\n`;
  for (const child of element.children as Element[]) {
    if (random.chance(0.02)) text += `${indent}   <!-- reviewed: yes & no <b> -->\n`;
    text += writeElement(child, random, `${indent}   `);
  }
  return `${text}${indent}</${element.name}>\n`;
}
