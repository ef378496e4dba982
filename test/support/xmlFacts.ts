/**
 * A second reading of a catalogue that shares nothing with the first: regular expressions over the whole text instead of
 * a streaming parser. It says, for each record, what must be in `data`, as a list of facts; `factsOfData` says what is.
 */
export interface XmlNode {
  name: string;
  attributes: [string, string][];
  children: XmlNode[];
  /** Own character data, decoded. */
  text: string;
  /** Source between start tag and end tag. */
  inner: string;
}

const token =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([^\s/>]+)([^>]*?)(\/?)>|[^<]+/g;
const attribute = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const named: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

const decode = (text: string): string =>
  text.replace(/&(#x?)?([^;]+);/g, (_, hash: string | undefined, name: string) =>
    hash ? String.fromCodePoint(Number.parseInt(name, hash === "#x" ? 16 : 10)) : named[name]!,
  );

export function parseTree(source: string): XmlNode {
  const top: XmlNode = { name: "", attributes: [], children: [], text: "", inner: "" };
  const open: { node: XmlNode; start: number }[] = [{ node: top, start: 0 }];
  for (const match of source.replace(/^\uFEFF/, "").matchAll(token)) {
    const [whole, cdata, slash, name, rest, self] = match;
    const parent = open.at(-1)!;
    if (cdata !== undefined) parent.node.text += cdata;
    else if (name === undefined) {
      if (!whole.startsWith("<")) parent.node.text += decode(whole);
    } else if (slash) {
      parent.node.inner = source.slice(parent.start, match.index);
      open.pop();
    } else {
      const attributes: [string, string][] = [...rest!.matchAll(attribute)].map(([, key, a, b]) => [
        key!,
        decode((a ?? b)!).replace(/[\t\n]/g, " "),
      ]);
      const node: XmlNode = { name, attributes, children: [], text: "", inner: "" };
      parent.node.children.push(node);
      if (!self) open.push({ node, start: match.index + whole.length });
    }
  }
  return top.children[0]!;
}

const blank = (text: string): boolean => /^[ \t\r\n]*$/.test(text);

const isMixed = ({ children, text }: XmlNode): boolean =>
  children.some((child) => child.name.startsWith("xhtml:")) || (children.length > 0 && !blank(text));

/** `path = value` for every attribute and text, `path {}` for every element that holds something. */
export function factsOfNode(node: XmlNode, path = ""): string[] {
  const mixed = isMixed(node);
  const children = mixed ? [] : node.children;
  const text = mixed ? node.inner : node.text;
  if (path !== "" && node.attributes.length === 0 && children.length === 0) return [`${path} = ${text}`];
  const facts = [`${path} {}`, ...node.attributes.map(([name, value]) => `${path}/${name} = ${value}`)];
  if (children.length === 0 && !blank(text)) facts.push(`${path} = ${text}`);
  return facts.concat(...children.map((child) => factsOfNode(child, `${path}/${child.name}`)));
}

export function factsOfData(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => factsOfData(item, path));
  if (typeof value === "string") return [`${path} = ${value}`];
  return [
    `${path} {}`,
    ...Object.entries(value as object).flatMap(([key, item]) => {
      if (key === "$text") return blank(item as string) ? [] : [`${path} = ${item}`];
      return factsOfData(item, `${path}/${key}`);
    }),
  ];
}
