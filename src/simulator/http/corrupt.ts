/** Content faults that any JSON or XML answer can have. */
import type { Drawn } from "../faults/injector.ts";
import { bodyLength, cut, find, type Reply, splice } from "./reply.ts";

const badByte = Buffer.from([0xff]);

/** bad-utf8, bad-json, wrong-root. */
export function corruptJson(answer: Reply, drawn: Drawn): Reply {
  const inText = drawn.has("bad-utf8") ? find(answer.body, '":"') : -1;
  if (inText >= 0 && drawn.take("bad-utf8") !== undefined)
    return { ...answer, body: splice(answer.body, inText + 3, badByte) };
  if (drawn.take("bad-json") !== undefined) {
    const length = bodyLength(answer.body);
    return { ...answer, body: [...cut(answer.body, length - 1), Buffer.from(",}<!-- end of page -->")] };
  }
  if (drawn.take("wrong-root") !== undefined)
    return { ...answer, body: [Buffer.from('{"status":"ok","data":[],"message":null}')] };
  return answer;
}

const bombEntities = Array.from(
  { length: 9 },
  (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i};`.repeat(10)}">`,
).join("\n");

/** bad-utf8, bad-xml, truncated-xml, wrong-root, xml-bomb, xml-external-entity. Undefined: none applied. */
export function corruptXml(xml: Buffer, drawn: Drawn): Buffer | undefined {
  if (drawn.take("bad-utf8") !== undefined) {
    const at = xml.indexOf(">", Math.floor(xml.length / 2)) + 1;
    return Buffer.concat([xml.subarray(0, at), badByte, xml.subarray(at)]);
  }
  if (drawn.take("bad-xml") !== undefined) {
    const at = xml.indexOf("</", Math.floor(xml.length / 2));
    return Buffer.concat([xml.subarray(0, at), Buffer.from("</Unexpected>"), xml.subarray(at)]);
  }
  if (drawn.take("truncated-xml") !== undefined) return xml.subarray(0, Math.floor(xml.length * 0.6));
  if (drawn.take("wrong-root") !== undefined)
    return Buffer.from(
      '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title></channel></rss>',
    );
  if (drawn.take("xml-bomb") !== undefined)
    return withDoctype(xml, `<!ENTITY lol0 "lol">\n${bombEntities}`, "&lol9;");
  if (drawn.take("xml-external-entity") !== undefined)
    return withDoctype(xml, '<!ENTITY secret SYSTEM "file:///etc/passwd">', "&secret;");
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
