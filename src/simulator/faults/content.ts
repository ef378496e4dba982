/** Faults of the content: what any JSON or XML answer can have, and invalid records. */
import type { JsonObject } from "../../core/json.ts";
import { bodyLength, cut, type Reply } from "../http/reply.ts";
import type { BadKind } from "../types.ts";
import type { Drawn } from "./injector.ts";

const badByte = Buffer.from([0xff]);
const inserted = (bytes: Buffer, at: number, what: Buffer): Buffer[] => [
  bytes.subarray(0, at),
  what,
  bytes.subarray(at),
];

/** bad-utf8, bad-json, wrong-root. */
export function corruptJson(answer: Reply, drawn: Drawn): Reply {
  const { body } = answer;
  const chunk = drawn.has("bad-utf8") ? body.findIndex((one) => one.includes('":"')) : -1;
  if (chunk >= 0 && drawn.take("bad-utf8") !== undefined) {
    const at = body[chunk]!.indexOf('":"') + 3;
    return { ...answer, body: body.flatMap((one, i) => (i === chunk ? inserted(one, at, badByte) : one)) };
  }
  if (drawn.take("bad-json") !== undefined)
    return { ...answer, body: [...cut(body, bodyLength(body) - 1), Buffer.from(",}<!-- end of page -->")] };
  if (drawn.take("wrong-root") !== undefined)
    return { ...answer, body: [Buffer.from('{"status":"ok","data":[],"message":null}')] };
  return answer;
}

const news = '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title></channel></rss>';
const bomb = Array.from({ length: 9 }, (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i};`.repeat(10)}">`).join(
  "\n",
);

const xmlFaults = {
  "bad-utf8": (xml: Buffer) =>
    Buffer.concat(inserted(xml, xml.indexOf(">", Math.floor(xml.length / 2)) + 1, badByte)),
  "bad-xml": (xml: Buffer) =>
    Buffer.concat(inserted(xml, xml.indexOf("</", Math.floor(xml.length / 2)), Buffer.from("</Unexpected>"))),
  "truncated-xml": (xml: Buffer) => xml.subarray(0, Math.floor(xml.length * 0.6)),
  "wrong-root": () => Buffer.from(news),
  "xml-bomb": (xml: Buffer) => withDoctype(xml, `<!ENTITY lol0 "lol">\n${bomb}`, "&lol9;"),
  "xml-external-entity": (xml: Buffer) =>
    withDoctype(xml, '<!ENTITY secret SYSTEM "file:///etc/passwd">', "&secret;"),
} as const;

/** Undefined: none applied. */
export function corruptXml(xml: Buffer, drawn: Drawn): Buffer | undefined {
  for (const [name, corrupt] of Object.entries(xmlFaults)) {
    if (drawn.take(name as keyof typeof xmlFaults) !== undefined) return corrupt(xml);
  }
  return undefined;
}

/** Declares entities before the root and uses one in the first description. */
function withDoctype(xml: Buffer, entities: string, use: string): Buffer {
  const text = xml.toString("utf8");
  const root = /<([A-Za-z_]+)[\s>]/.exec(text.replace(/^<\?xml[^>]*\?>/, (all) => " ".repeat(all.length)));
  if (!root) throw new Error("The XML has no root element.");
  const withUse = text.slice(root.index).replace(/<(Description|Summary)>/, (tag) => tag + use);
  return Buffer.from(`${text.slice(0, root.index)}<!DOCTYPE ${root[1]} [\n${entities}\n]>\n${withUse}`);
}

/** A JSON record, broken. `id` is the property that holds its id, `list` one that must be a list. */
export function breakJson(text: string, kind: BadKind, { id, list }: { id: string; list: string }): string {
  if (kind === "not-an-object") return JSON.stringify("a record, but not an object");
  const record = JSON.parse(text) as JsonObject;
  if (kind === "no-id") delete record[id];
  else if (kind === "wrong-id") record[id] = "no valid id";
  else record[list] = "a list once";
  return JSON.stringify(record);
}

/** An XML record can only lose its id, or have a wrong one: XML has no types. */
export const breakXml = (xml: string, kind: BadKind): string =>
  xml.replace(
    / ID=("[^"]*"|'[^']*')/,
    kind === "no-id" || kind === "not-an-object" ? "" : ' ID="no valid id"',
  );
