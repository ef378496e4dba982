import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { bounds } from "../../../../src/core/bounds.ts";
import { isUeeError } from "../../../../src/core/errors.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import { SourceText } from "../../../../src/core/sourceText.ts";
import { capecSchema } from "../../../../src/providers/capec/capec.ts";
import { cweSchema } from "../../../../src/providers/cwe/cwe.ts";
import { decodeUtf8 } from "../../../../src/providers/formats/text.ts";
import { readXmlCatalogue, XmlCatalogueReader } from "../../../../src/providers/formats/xmlCatalogue.ts";
import { pieces } from "../support.ts";

const root = (content: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Weakness_Catalog xmlns="http://cwe.mitre.org/cwe-7" xmlns:xhtml="http://www.w3.org/1999/xhtml" Name="CWE" Version="4.18" Date="2025-09-09">${content}</Weakness_Catalog>`;

const weakness = (content: string, attributes = 'ID="1"'): string =>
  root(`<Weaknesses><Weakness ${attributes}>${content}</Weakness></Weaknesses>`);

async function read(document: string | Buffer, chunkBytes = 64, schema = cweSchema): Promise<JsonObject[]> {
  const reader = new XmlCatalogueReader(schema);
  const records: (JsonObject | SourceText)[] = [];
  for await (const some of readXmlCatalogue(pieces(Buffer.from(document as string), chunkBytes), reader)) {
    records.push(...some);
  }
  return records.map((record) =>
    record instanceof SourceText
      ? { refused: record.refusal?.code, ...record.stub, source: record.text }
      : JSON.parse(JSON.stringify(record)),
  );
}

const one = async (content: string, attributes?: string): Promise<JsonObject> => {
  const { ID, ...data } = (await read(weakness(content, attributes)))[0]!;
  expect(ID).toBe("1");
  return data;
};

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (isUeeError(error) ? error.code : String(error)),
  );

describe("An XML record's data", () => {
  test("has attributes and child elements by their XML names", async () => {
    expect(await one("<Description>a &lt; b &#x41;</Description>", 'ID="1" Name="x &quot;y&quot;"')).toEqual({
      Name: 'x "y"',
      Description: "a < b A",
    });
  });

  test("has arrays for what the schema lets repeat, also where it stands once", async () => {
    const data = await one(
      '<Related_Weaknesses><Related_Weakness CWE_ID="2"/></Related_Weaknesses><Potential_Mitigations><Mitigation><Phase>P</Phase><Description>d</Description></Mitigation></Potential_Mitigations>',
    );
    expect(data).toEqual({
      Related_Weaknesses: { Related_Weakness: [{ CWE_ID: "2" }] },
      Potential_Mitigations: { Mitigation: [{ Phase: ["P"], Description: "d" }] },
    });
  });

  test("keeps apart what has one name in two places", async () => {
    const data = await one(
      '<Modes_Of_Introduction><Introduction><Phase>P</Phase><Note>n</Note></Introduction></Modes_Of_Introduction><Notes><Note Type="Other">m</Note></Notes><Observed_Examples><Observed_Example><Reference>CVE-1</Reference></Observed_Example></Observed_Examples><References><Reference External_Reference_ID="REF-1"/></References>',
    );
    expect(data).toEqual({
      Modes_Of_Introduction: { Introduction: [{ Phase: "P", Note: "n" }] },
      Notes: { Note: [{ Type: "Other", $text: "m" }] },
      Observed_Examples: { Observed_Example: [{ Reference: "CVE-1" }] },
      References: { Reference: [{ External_Reference_ID: "REF-1" }] },
    });
  });

  test("loses nothing of an element the schema does not know, repeated or not", async () => {
    expect(
      await one(
        '<New a="1">t</New><Twice>1</Twice><Twice>2</Twice><Box><In>x</In></Box><Empty/><__proto__>p</__proto__>',
      ),
    ).toEqual(
      JSON.parse(
        '{"New":{"a":"1","$text":"t"},"Twice":["1","2"],"Box":{"In":"x"},"Empty":"","__proto__":"p"}',
      ),
    );
  });

  test("keeps mixed content as it is written, entities and white space included", async () => {
    const markup = `\n  <xhtml:p a='1'>x &lt; y<!-- c --></xhtml:p>\r\n tail <xhtml:br />`;
    const data = await one(
      `<Description>${markup}</Description><Extended_Description>a <b>c</b></Extended_Description><Demonstrative_Examples><Demonstrative_Example><Example_Code Nature="bad"><xhtml:div>i &amp;&amp; j</xhtml:div></Example_Code></Demonstrative_Example></Demonstrative_Examples>`,
    );
    expect(data).toEqual({
      Description: markup,
      Extended_Description: "a <b>c</b>",
      Demonstrative_Examples: {
        Demonstrative_Example: [
          { Example_Code: [{ Nature: "bad", $text: "<xhtml:div>i &amp;&amp; j</xhtml:div>" }] },
        ],
      },
    });
  });

  test("drops comments, processing instructions and white space between elements, and reads CDATA as text", async () => {
    expect(
      await one(
        "\n <!-- c --><?p q?><Description>a<!-- c -->b<![CDATA[<c>]]></Description>\n <Summary> </Summary>",
      ),
    ).toEqual({ Description: "ab<c>", Summary: " " });
  });

  test("takes a no-break space for text", async () => {
    expect(await one("<Box>\u00a0<In>x</In></Box>")).toEqual({ Box: "\u00a0<In>x</In>" });
  });

  test("gives an empty element the type that a full one has", async () => {
    expect(await one('<Description/><References> </References><Notes><Note Type="Other"/></Notes>')).toEqual({
      Description: "",
      References: {},
      Notes: { Note: [{ Type: "Other", $text: "" }] },
    });
  });

  test("keeps an attribute beside a child element of the same name", async () => {
    expect(await one("<Name>child</Name>", 'ID="1" Name="attribute"')).toEqual({
      Name: "child",
      "@Name": "attribute",
    });
  });

  test("groups children that take turns by their name, each name in its own order", async () => {
    const data = await one("<Odd><A>1</A><B>2</B><A>3</A></Odd>");
    expect(data.Odd).toEqual({ A: ["1", "3"], B: "2" });
  });

  test("is the same however the document is cut and whatever prefix its namespace has", async () => {
    const content =
      '<Weaknesses>\r\n<Weakness ID="1" Name="é😀"><Description>a😀<xhtml:b>ü</xhtml:b>\r</Description></Weakness><Weakness ID="2"/></Weaknesses>';
    const whole = await read(root(content), 100_000);
    expect(whole).toEqual([{ ID: "1", Name: "é😀", Description: "a😀<xhtml:b>ü</xhtml:b>\r" }, { ID: "2" }]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 90 }), async (chunkBytes) => {
        expect(await read(root(content), chunkBytes)).toEqual(whole);
      }),
      { numRuns: 40 },
    );
    const prefixed = `<c:Weakness_Catalog xmlns:c="http://cwe.mitre.org/cwe-7"><c:Views><c:View ID="9"><c:Objective>o</c:Objective><x:New xmlns:x="urn:x">n</x:New></c:View></c:Views></c:Weakness_Catalog>`;
    expect(await read(prefixed)).toEqual([
      { ID: "9", Objective: "o", "x:New": { "xmlns:x": "urn:x", $text: "n" } },
    ]);
  });

  test("comes from weaknesses, categories and views, and not from the catalogue's references", async () => {
    const records = await read(
      root(
        '<Weaknesses><Weakness ID="1"/></Weaknesses><Categories><Category ID="2"/></Categories><Views><View ID="3"/></Views><External_References><External_Reference Reference_ID="REF-1"><Title>t</Title></External_Reference></External_References>',
      ),
    );
    expect(records.map(({ ID }) => ID)).toEqual(["1", "2", "3"]);
  });

  test("costs the memory of one record, however many there are", () => {
    const reader = new XmlCatalogueReader(cweSchema);
    const document = root(
      `<Weaknesses>${'<Weakness ID="1"><Description>x</Description></Weakness>'.repeat(2_000)}</Weaknesses>`,
    );
    let most = 0;
    for (let at = 0; at < document.length; at += 100) {
      reader.write(document.slice(at, at + 100));
      most = Math.max(most, reader.held);
    }
    reader.end();
    expect(most).toBeLessThan(200);
  });

  const { record } = bounds;
  test.each<[string, string, string]>([
    ["too deep", `${"<a>".repeat(record.depth)}${"</a>".repeat(record.depth)}`, "VAL_RECORD_DEPTH"],
    ["20,000 deep", `${"<a>".repeat(20_000)}${"</a>".repeat(20_000)}`, "VAL_RECORD_DEPTH"],
    ["of 300,000 children", "<a/>".repeat(300_000), "VAL_RECORD_TOO_LARGE"],
    ["of one large text", `<Description>${"x".repeat(record.bytes)}</Description>`, "VAL_RECORD_TOO_LARGE"],
    ["of one large attribute", `<a b="${"x".repeat(record.bytes + 100)}"/>`, "VAL_RECORD_TOO_LARGE"],
    ["of one large comment", `<!--${"x".repeat(record.bytes)}-->`, "VAL_RECORD_TOO_LARGE"],
    [
      "of one large markup",
      `<Description><xhtml:p>${"x".repeat(record.bytes)}</xhtml:p></Description>`,
      "VAL_RECORD_TOO_LARGE",
    ],
    [
      "of 20,000 attributes",
      `<a ${Array.from({ length: 20_000 }, (_, i) => `a${i}=""`).join(" ")}/>`,
      "VAL_RECORD_TOO_LARGE",
    ],
  ])("that is %s is set aside alone, with its source", async (_name, content, code) => {
    const entry = (id: number, inner: string) => `<Weakness ID="${id}" Name="n">${inner}</Weakness>`;
    const odd = entry(2, content);
    const document = root(
      `<Weaknesses>${entry(1, "<Summary>a</Summary>")}${odd} ${entry(3, "<Summary>b</Summary>")}</Weaknesses>`,
    );
    const [first, second, third, ...more] = await read(document, 64 * 1024);
    expect(more).toEqual([]);
    expect([first, third]).toEqual([
      { ID: "1", Name: "n", Summary: "a" },
      { ID: "3", Name: "n", Summary: "b" },
    ]);
    expect(second).toMatchObject({ ID: "2", refused: code });
    const source = second?.source as string;
    const kept = odd.length > record.bytes ? odd.slice(0, record.keptBytes) : odd;
    expect(source === kept).toBe(true);
  });

  test("whose own tag has attributes without end is set aside alone", async () => {
    const attributes = Array.from({ length: 20_000 }, (_, i) => `a${i}=""`).join(" ");
    const document = root(
      `<Weaknesses><Weakness ID="1" ${attributes}>x</Weakness><Weakness ID="2"/></Weaknesses>`,
    );
    const records = await read(document, 64 * 1024);
    expect(records.map(({ ID, refused }) => [ID, refused])).toEqual([
      ["1", "VAL_RECORD_TOO_LARGE"],
      ["2", undefined],
    ]);
  });

  test.each<[string, string, string]>([
    ["30,000 levels", `<Weaknesses>${"<a>".repeat(30_000)}`, "PROV_BAD_XML"],
    ["3 million elements", `<X>${"<a/>".repeat(bounds.xml.elements)}`, "PROV_BODY_TOO_LARGE"],
    ["a name without end", `<Weaknesses><${"a".repeat(100_000)}`, "PROV_BAD_XML"],
    [
      "2,000 namespaces",
      `<X ${Array.from({ length: 2_000 }, (_, i) => `xmlns:n${i}="u"`).join(" ")}><Y/></X>`,
      "PROV_BAD_XML",
    ],
  ])("of a document with %s does not save it", async (_name, content, code) => {
    expect(await codeOf(read(root(content), 64 * 1024))).toBe(code);
  });

  test("at great depth is read as fast as elsewhere, whatever prefix its attributes have", async () => {
    const deep = `${"<a>".repeat(20_000)}${'<b xml:c="" x:d=""/>'.repeat(100_000)}${"</a>".repeat(20_000)}`;
    const document = root(`<X xmlns:x="u">${deep}</X><Weaknesses><Weakness ID="2"/></Weaknesses>`);
    expect((await read(document, 64 * 1024)).map(({ ID }) => ID)).toEqual(["2"]);
  });

  test("of CAPEC follows CAPEC's own schema", async () => {
    const [record] = await read(
      '<Attack_Pattern_Catalog><Attack_Patterns><Attack_Pattern ID="1"><Skills_Required><Skill Level="Low"/></Skills_Required><Mitigations><Mitigation>m</Mitigation></Mitigations><Related_Attack_Patterns><Related_Attack_Pattern CAPEC_ID="2"><Exclude_Related Exclude_ID="3"/></Related_Attack_Pattern></Related_Attack_Patterns></Attack_Pattern></Attack_Patterns></Attack_Pattern_Catalog>',
      50,
      capecSchema,
    );
    expect(record).toEqual({
      ID: "1",
      Skills_Required: { Skill: [{ Level: "Low", $text: "" }] },
      Mitigations: { Mitigation: ["m"] },
      Related_Attack_Patterns: {
        Related_Attack_Pattern: [{ CAPEC_ID: "2", Exclude_Related: [{ Exclude_ID: "3" }] }],
      },
    });
  });
});

describe("XML that is not what it claims", () => {
  const whole = weakness("<Description>a <xhtml:b>b</xhtml:b></Description>");

  test("cut off anywhere is refused", async () => {
    for (let length = 1; length < whole.length; length += 3) {
      const code = await codeOf(read(whole.slice(0, length)));
      expect(code).toBe("PROV_BAD_XML");
    }
  });

  test.each([
    ["a root of another kind", "<Attack_Pattern_Catalog/>", "PROV_WRONG_SHAPE"],
    ["tags that cross", weakness("<A><B></A></B>"), "PROV_BAD_XML"],
    ["an unknown entity", weakness("<A>&nbsp;</A>"), "PROV_BAD_XML"],
    ["an unbound prefix", weakness("<no:A/>"), "PROV_BAD_XML"],
    ["an attribute twice", weakness('<A a="1" a="2"/>'), "PROV_BAD_XML"],
    ["a control character", weakness("<A>\u0001</A>"), "PROV_BAD_XML"],
    ["two roots", `${whole}<Weakness_Catalog/>`, "PROV_BAD_XML"],
    ["text after the end", `${whole} x`, "PROV_BAD_XML"],
    ["a harmless DOCTYPE", `<!DOCTYPE Weakness_Catalog>${root("")}`, "PROV_BAD_XML"],
    [
      "an entity bomb",
      '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Weakness_Catalog>&b;</Weakness_Catalog>',
      "PROV_BAD_XML",
    ],
    [
      "an external entity",
      '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Weakness_Catalog>&a;</Weakness_Catalog>',
      "PROV_BAD_XML",
    ],
    ["another encoding", '<?xml version="1.0" encoding="ISO-8859-1"?><Weakness_Catalog/>', "PROV_BAD_XML"],
    ["bytes that are not UTF-8", Buffer.from([0x3c, 0x61, 0xc3, 0x28]), "PROV_NOT_UTF8"],
    [
      "half a character at the end",
      Buffer.concat([Buffer.from(whole), Buffer.from([0xc3])]),
      "PROV_NOT_UTF8",
    ],
  ])("is refused: %s", async (_, document, code) => {
    expect(await codeOf(read(document))).toBe(code);
  });

  test("is named with the line where it breaks", async () => {
    await expect(read(weakness("\n\n<A></B>"))).rejects.toThrow(/PROV_BAD_XML.*3:\d+/);
  });

  test("decodes UTF-8 across chunks", async () => {
    const text: string[] = [];
    for await (const piece of decodeUtf8(pieces(Buffer.from("\uFEFFa€😀"), 1))) text.push(piece);
    expect(text.join("")).toBe("a€😀");
  });
});
