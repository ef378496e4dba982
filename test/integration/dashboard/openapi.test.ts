/** The OpenAPI document and the routes are the same thing. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Validator } from "@seriousme/openapi-schema-validator";
import { servedRoutes, startDashboard, type TestDashboard } from "./support.ts";

interface Operation {
  operationId?: string;
  summary?: string;
  tags?: string[];
  responses: Record<string, { description: string }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown> };
}

let dashboard: TestDashboard;
let document: Document;
beforeAll(async () => {
  dashboard = await startDashboard();
  document = (await dashboard.get("/openapi.json")).json as unknown as Document;
});
afterAll(() => dashboard.close());

/** Served and not of the API: the document itself, and what Bull Board's page asks for. */
const isUndocumented = (route: string): boolean =>
  route === "GET /openapi.json" || (/ \/queues\/?./.test(route) && route !== "GET /queues");

const documentedRoutes = (): string[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method} ${path}`,
      operation,
    ]),
  );

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1", async () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const result = await new Validator().validate(
      structuredClone(document) as unknown as Record<string, unknown>,
    );
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  test("documents every route that is served, and serves every one that it documents", () => {
    const served = servedRoutes(dashboard.app).filter((route) => !isUndocumented(route));
    expect(served.length).toBeGreaterThan(20);
    expect(documentedRoutes().sort()).toEqual(served.sort());
  });

  test("names every operation once, says what it does and what its answers mean", () => {
    const ids = operations().map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [name, { operationId, summary, tags, responses }] of operations()) {
      expect([name, typeof operationId, typeof summary, tags?.length]).toEqual([name, "string", "string", 1]);
      for (const { description } of Object.values(responses))
        expect(description).not.toBe("Default Response");
    }
  });

  test("keeps no schema that nothing refers to, and refers to none that is not there", () => {
    const text = JSON.stringify(document);
    const referred = new Set(
      [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name),
    );
    expect([...referred].sort()).toEqual(Object.keys(document.components.schemas).sort());
    expect([...referred].filter((name) => name?.endsWith("Input"))).toEqual([]);
  });
});
