/** The contract that every provider of the registry keeps. The sample is the provider's own example. */
import { describe, expect, test } from "@jest/globals";
import { isUeeError } from "../../../src/core/errors.ts";
import { isObject, type JsonObject } from "../../../src/core/json.ts";
import { formatUrn, parseUrn } from "../../../src/core/urn.ts";
import type { AnyProvider, PlanInput, RunMode } from "../../../src/providers/contract.ts";
import { findProvider, providers } from "../../../src/providers/registry.ts";

/** A good record of a provider, and a field of it that the provider declares: a list, an object or a number's text. */
function sampleOf(provider: AnyProvider): { raw: JsonObject; declared: string } {
  const raw = provider.example?.record;
  if (!raw) throw new Error(`give ${provider.name} an example`);
  const id = provider.identify(raw);
  const declared = Object.keys(raw).find((key) => {
    const wrong = { ...raw, [key]: 7 };
    return provider.identify(wrong) === id && !provider.record.safeParse(wrong).success;
  });
  if (!declared) throw new Error(`the example of ${provider.name} has no field that is declared`);
  return { raw: structuredClone(raw), declared };
}

const watermark = "2026-01-01T00:00:00.000Z";
const inputs: PlanInput[] = (["full", "incremental"] as RunMode[]).flatMap((mode) =>
  [null, watermark].map((known) => ({ mode, watermark: known, startedAt: "2026-03-15T12:00:00.000Z" })),
);

const codeOf = (step: () => unknown): string => {
  try {
    step();
  } catch (error) {
    return isUeeError(error) ? error.code : String(error);
  }
  return "no error";
};

test("The registry has each name once", () => {
  const names = providers.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const provider of providers) expect(findProvider(provider.name)).toBe(provider);
  expect(findProvider("nvd")).toBeUndefined();
});

describe.each(providers.map((provider): [string, AnyProvider] => [provider.name, provider]))(
  "The provider %s",
  (name, provider) => {
    const sample = sampleOf(provider);

    test("has a name, an authority and an upstream that can stand in keys, URNs and configuration", () => {
      expect(name).toMatch(/^[a-z][a-z0-9]*$/);
      expect(provider.authority).toMatch(/^[a-z]+$/);
      expect(Number.isInteger(provider.version) && provider.version > 0).toBe(true);
      expect(new URL(provider.upstream.defaultUrl).protocol).toBe("https:");
      expect(provider.upstream.urlEnv).toBe(`UEE_${name.toUpperCase()}_URL`);
      for (const rate of [provider.upstream.rate, provider.upstream.rateWithKey ?? provider.upstream.rate]) {
        expect(rate.max).toBeGreaterThan(0);
        expect(rate.windowMs).toBeGreaterThan(0);
      }
      expect(provider.pageSize).toBeGreaterThan(0);
    });

    test("plans the same batches every time, without asking anyone", () => {
      for (const input of inputs) {
        const batches = provider.plan(input);
        expect(provider.plan({ ...input })).toEqual(batches);
        expect(batches.length).toBeGreaterThan(0);
        expect(new Set(batches.map(({ key }) => key)).size).toBe(batches.length);
      }
    });

    test("plans batches whose keys and payloads fit into jobs", () => {
      for (const { key, size, payload } of inputs.flatMap((input) => provider.plan(input))) {
        expect(key).toMatch(/^[a-z0-9./-]{1,80}$/);
        expect(Number.isInteger(size) && size >= 0).toBe(true);
        const text = JSON.stringify(payload);
        expect(Buffer.byteLength(text)).toBeLessThan(16 * 1024);
        expect(provider.batch.parse(JSON.parse(text))).toEqual(payload);
      }
    });

    test("refuses payloads that are not its own", () => {
      for (const payload of [null, {}, [], "stage", { kind: "unheard of" }]) {
        expect(provider.batch.safeParse(payload).success).toBe(false);
      }
    });

    test("gives a record an id that is its own, also in a URN, and leaves its content alone", () => {
      const before = structuredClone(sample.raw);
      const { id, data, aliases, lastModified } = provider.transform(sample.raw);
      expect(provider.identify(sample.raw)).toBe(id);
      expect(provider.normalizeId(id)).toBe(id);
      expect(provider.normalizeId(id.toLowerCase())).toBe(id);
      expect(parseUrn(formatUrn({ authority: provider.authority, type: name, id }))?.id).toBe(id);
      expect(data).toEqual(before);
      expect(sample.raw).toEqual(before);
      expect(aliases).not.toContain(id);
      expect(lastModified === null || typeof lastModified === "string").toBe(true);
      expect(provider.record.safeParse(sample.raw).success).toBe(true);
    });

    test("keeps keys that are special to JavaScript", () => {
      const raw = JSON.parse(
        `${JSON.stringify(sample.raw).slice(0, -1)},"__proto__":{"a":1},"constructor":"c"}`,
      );
      const { data } = provider.transform(raw);
      expect(JSON.stringify(data)).toBe(JSON.stringify(raw));
    });

    test("sets a bad record aside with a code, under its id where it has one", () => {
      for (const raw of [null, 7, "text", [], [sample.raw]]) {
        expect(codeOf(() => provider.transform(raw))).toBe("VAL_RECORD_SHAPE");
        expect(provider.identify(raw)).toBeUndefined();
      }
      expect(codeOf(() => provider.transform({ some: "object" }))).toBe("VAL_RECORD_ID");
      expect(provider.identify({ some: "object" })).toBeUndefined();
      const wrong = { ...sample.raw, [sample.declared]: 7 };
      expect(codeOf(() => provider.transform(wrong))).toBe("VAL_RECORD_FIELD");
      expect(() => provider.transform(wrong)).toThrow(sample.declared);
      expect(provider.identify(wrong)).toBe(provider.identify(sample.raw));
    });

    test("lets nulls, unknown fields and absent fields pass", () => {
      const id = provider.identify(sample.raw);
      const idField = Object.keys(sample.raw).find((key) => sample.raw[key] === id || key === "ID")!;
      const bare = { [idField]: sample.raw[idField] };
      expect(provider.transform(bare).id).toBe(id);
      expect(provider.transform({ ...sample.raw, [sample.declared]: null, unheardOf: { of: [1] } }).id).toBe(
        id,
      );
    });

    test("does not take nonsense for its ids, nor the ids of providers that it shares no subject with", () => {
      const subjectOf = (one: AnyProvider): string => one.subject ?? one.name;
      if (provider.subject !== undefined) expect(findProvider(provider.subject)?.subject).toBeUndefined();
      const foreign = providers
        .filter((other) => subjectOf(other) !== subjectOf(provider))
        .map((other) => other.identify(sampleOf(other).raw)!);
      for (const text of ["", " ", "v2e::x", "x".repeat(500), ...foreign]) {
        expect(provider.normalizeId(text)).toBeUndefined();
      }
    });

    test("never calls a run verified that received nothing of what was announced", () => {
      const facts = [{ key: "a", facts: { group: "snapshot", total: 5, edition: { date: watermark } } }];
      const base = {
        startedAt: "2026-03-15T12:00:00.000Z",
        regressed: 0,
        doubles: { count: 0, repeated: 0, ids: [] },
        newest: null,
        now: watermark,
      };
      for (const mode of ["full", "incremental"] as RunMode[]) {
        const verdict = provider.verify({ ...base, mode, watermark: null, pass: 1, facts, unique: 0 });
        expect(verdict.kind).not.toBe("verified");
        if (verdict.kind !== "again" && verdict.kind !== "extend") continue;
        expect(verdict.reason).not.toBe("");
        const planned = provider.plan(inputs[0]!).map(({ key }) => key);
        for (const { key, payload } of verdict.batches) {
          expect(key).toMatch(/^[a-z0-9./-]{1,80}$/);
          expect(planned).not.toContain(key);
          expect(isObject(payload)).toBe(true);
        }
      }
    });
  },
);
