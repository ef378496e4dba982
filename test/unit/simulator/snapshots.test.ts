import { describe, expect, test } from "@jest/globals";
import { SaxesParser } from "saxes";
import { domainsOf, makeStix, stixId, typeOf } from "../../../src/simulator/attack/model.ts";
import { capecModel, cweModel } from "../../../src/simulator/catalogues.ts";
import { SnapshotEntries } from "../../../src/simulator/snapshot/entries.ts";

/** What an edition revises. */
const revised: Record<string, string> = { Weakness: "Description", Category: "Summary", View: "Objective" };
const slots = Array.from({ length: 200 }, (_, slot) => slot);

/** Text and attribute values as an independent parser reads them; throws when not well-formed. */
function readXml(xml: string): { text: string; values: string[]; names: Set<string> } {
  const parser = new SaxesParser({ xmlns: true });
  let text = "";
  const values: string[] = [];
  const names = new Set<string>();
  parser.on("text", (piece) => {
    text += piece;
  });
  parser.on("cdata", (piece) => {
    text += piece;
  });
  parser.on("opentag", (tag) => {
    names.add(tag.name);
    for (const attribute of Object.values(tag.attributes)) values.push(attribute.value);
  });
  parser.on("error", (error) => {
    throw error;
  });
  parser.write(`<r xmlns:xhtml="http://www.w3.org/1999/xhtml">${xml}</r>`).close();
  return { text, values, names };
}

describe("Generated CWE", () => {
  test("has weaknesses, categories and views in one number space, each well-formed", () => {
    const kinds = new Set(slots.map((slot) => cweModel.entry(1, slot, 1).kind));
    expect(kinds).toEqual(new Set(["Weakness", "Category", "View"]));
    const ids = slots.map((slot) => cweModel.entry(1, slot, 1).id);
    expect(new Set(ids).size).toBe(slots.length);
    for (const slot of slots) readXml(cweModel.entry(1, slot, 1).xml);
  });

  test("says the same in XML as in JSON, through CDATA, entities and quotes", () => {
    for (const slot of slots) {
      const { kind, xml, json, id } = cweModel.entry(1, slot, 1);
      const { text, values } = readXml(xml);
      expect(values).toEqual(expect.arrayContaining([json.Name, json.ID]));
      expect(json.ID).toBe(id.slice(4));
      expect(text).toContain(json[revised[kind]!]);
      for (const one of (json.ObservedExamples ?? []) as Record<string, string>[]) {
        expect(text).toContain(one.Description);
        expect(text).toContain(one.Link);
      }
      for (const one of (json.RelatedWeaknesses ?? []) as Record<string, string>[])
        expect(values).toEqual(expect.arrayContaining([one.CweID, one.Nature]));
      expect(Array.isArray(json.ContentHistory)).toBe(true);
    }
  });

  test("uses what XML leaves open: CDATA, comments, references, mixed content, A B A order", () => {
    const all = slots.map((slot) => cweModel.entry(1, slot, 1).xml).join("");
    for (const piece of ["<![CDATA[", "<!--", "&#", "<xhtml:p>", "&amp;amp;", "<Body_Text>", "/>", "='"])
      expect(all).toContain(piece);
  });

  test("differs between editions", () => {
    for (const slot of slots.slice(0, 50)) {
      const [first, second] = [cweModel.entry(1, slot, 1), cweModel.entry(1, slot, 2)];
      expect(second.xml).not.toBe(first.xml);
      expect(second.json).not.toEqual(first.json);
      expect(second.id).toBe(first.id);
    }
  });
});

describe("Generated CAPEC", () => {
  test("is well-formed, has ids of its own, and differs between editions", () => {
    const entries = slots.map((slot) => capecModel.entry(1, slot, 1));
    expect(new Set(entries.map(({ id }) => id)).size).toBe(slots.length);
    expect(new Set(entries.map(({ kind }) => kind))).toEqual(new Set(["Attack_Pattern", "Category", "View"]));
    for (const { xml } of entries) readXml(xml);
    for (const slot of slots)
      expect(capecModel.entry(1, slot, 2).xml).not.toBe(capecModel.entry(1, slot, 1).xml);
  });
});

describe("Generated ATT&CK", () => {
  test("has every type, revoked and deprecated objects, and ids of its own", () => {
    const many = Array.from({ length: 1_000 }, (_, slot) => slot);
    const objects = many.map((slot) => makeStix(1, slot, 1, "enterprise", 1_000));
    const types = new Set(many.map((slot) => typeOf(1, slot)));
    for (const type of [
      "relationship",
      "attack-pattern",
      "course-of-action",
      "x-mitre-detection-strategy",
      "x-mitre-analytic",
    ])
      expect(types).toContain(type);
    expect(new Set(many.map((slot) => stixId(1, slot))).size).toBe(1_000);
    expect(objects.some(({ revoked }) => revoked === true)).toBe(true);
    expect(objects.some((object) => object.x_mitre_deprecated === true)).toBe(true);
    for (const [slot, object] of objects.entries()) {
      expect(object.id).toBe(stixId(1, slot));
      expect(object.id).toMatch(new RegExp(`^${object.type}--`));
    }
  });

  test("repeats objects across domains, some of them older in one than in another", () => {
    const shared = Array.from({ length: 1_000 }, (_, slot) => slot + 2).filter(
      (slot) => domainsOf(1, slot).length > 1,
    );
    const different = shared.filter((slot) => {
      const copies = domainsOf(1, slot).map((domain) => makeStix(1, slot, 1, domain, 1_000).modified);
      return new Set(copies).size > 1;
    });
    expect(different.length).toBeGreaterThan(0);
    expect(different.length).toBeLessThan(shared.length);
  });

  test("lets a mitigation and a technique carry the same ATT&CK id", () => {
    const byId = new Map<string, Set<unknown>>();
    for (let slot = 0; slot < 2_000; slot++) {
      const { type, external_references: references } = makeStix(1, slot, 1, "enterprise", 2_000);
      const id = (references as { external_id?: string }[] | undefined)?.[0]?.external_id;
      if (id) byId.set(id, (byId.get(id) ?? new Set()).add(type));
    }
    const both = [...byId.values()].filter(
      (types) => types.has("attack-pattern") && types.has("course-of-action"),
    );
    expect(both.length).toBeGreaterThan(0);
  });
});

describe("Entries of a snapshot feed", () => {
  const entriesOf = (): SnapshotEntries =>
    new SnapshotEntries({ seed: 1, count: 100, point: "before", idOf: (slot) => `X-${slot}` });
  const live = (entries: SnapshotEntries): Map<number, number> =>
    new Map([...entries.live()].map(({ slot, edition }) => [slot, edition]));

  test("move between the points in time as reported", () => {
    const entries = entriesOf();
    const report = entries.setPoint("after");
    const now = live(entries);
    for (const id of report.removed) expect(now.has(Number(id.slice(2)))).toBe(false);
    for (const id of report.modified) expect(now.get(Number(id.slice(2)))).toBe(2);
    for (const id of report.added) expect(Number(id.slice(2))).toBeGreaterThanOrEqual(100);
    expect(now.size).toBe(100 - report.removed.length + report.added.length);
    expect([...now.values()].filter((edition) => edition > 1)).toHaveLength(report.modified.length);
    expect([report.added, report.modified, report.removed].every((list) => list.length > 0)).toBe(true);
    expect(entries.release).toBe(1);
  });

  test("come back as they were", () => {
    const entries = entriesOf();
    entries.mutate({ add: 2, modify: 3, remove: 4 });
    const report = entries.setPoint("before");
    expect([report.removed.length, report.modified.length, report.added.length]).toEqual([2, 3, 4]);
    expect(live(entries)).toEqual(live(entriesOf()));
  });

  test("are taken back to the edition before, served again, and followed by one with a greater number", () => {
    const entries = entriesOf();
    const before = live(entries);
    entries.mutate({ add: 2, modify: 3, remove: 4 });
    const after = live(entries);
    const report = entries.mutate({ takeBack: true });
    expect([report.removed.length, report.modified.length, report.added.length]).toEqual([2, 3, 4]);
    expect([live(entries), entries.release]).toEqual([before, 0]);
    entries.mutate({ takeBack: true });
    expect([live(entries), entries.release]).toEqual([after, 1]);
    entries.mutate({ takeBack: true });
    entries.mutate({ add: 1 });
    expect(entries.release).toBe(2);
    expect(() => entriesOf().mutate({ takeBack: true })).toThrow(/no edition before/);
  });

  test("know nothing of NVD's rejections", () => {
    expect(() => entriesOf().mutate({ reject: 1 })).toThrow(/NVD's/);
  });
});
