/** The OpenAPI document, generated from the routes and served at /openapi.json. */
import { fastifySwagger } from "@fastify/swagger";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { OpenAPIV3_1 } from "openapi-types";
import type { App } from "../app.ts";

const description =
  "The API that the dashboard uses. Every error answer is `{code, message, remedy}`; the codes are " +
  "those of docs/errors.md. Actions are answered with 202 when they are accepted; `X-Actor` says who asks.";

/** Register before any route. */
export async function installOpenApi(
  app: App,
  options: { version: string; tokenRequired: boolean },
): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "UEE", description, version: options.version },
      tags: [
        { name: "fleet", description: "The tree, workers, kernel metrics, events" },
        { name: "providers", description: "Runs, checkpoints and actions" },
        { name: "breakers", description: "Circuit breakers of the upstreams" },
        { name: "permits", description: "The permit pool" },
        { name: "dead letters", description: "Dead letters and the actions on them" },
        { name: "history", description: "Transitions and decisions" },
        { name: "records", description: "The mirror and its change feed" },
        { name: "session", description: "Logins of browsers" },
        { name: "health", description: "Probes and metrics" },
        { name: "pages", description: "For browsers" },
      ],
      components: {
        securitySchemes: {
          token: { type: "http", scheme: "bearer", description: "UEE_API_TOKEN" },
          login: {
            type: "apiKey",
            in: "cookie",
            name: "uee_session",
            description:
              "Set by POST /api/session (its name ends in a hash of the token); writes also need X-CSRF-Token",
          },
        },
      },
      ...(options.tokenRequired ? { security: [{ token: [] }, { login: [] }] } : {}),
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
}

/** Pages of other packages, which the document describes only in part. */
const pages = {
  "/queues": {
    get: {
      operationId: "openBullBoard",
      summary: "Bull Board, read-only: every queue and its jobs",
      tags: ["pages"],
      responses: {
        200: { description: "Its page", content: { "text/html": { schema: { type: "string" as const } } } },
        302: { description: "To the login" },
      },
    },
  },
} as const;

export function openApiRoute(app: App): void {
  let text: string | undefined;
  app.get("/openapi.json", { schema: { hide: true } }, async (_request, reply) => {
    if (text === undefined) {
      const document = tidyDocument(app.swagger() as Parameters<typeof tidyDocument>[0]);
      text = JSON.stringify({ ...document, paths: { ...document.paths, ...pages } });
    }
    return reply.type("application/json; charset=utf-8").send(text);
  });
}

type Document = Partial<OpenAPIV3_1.Document>;
type Operation = OpenAPIV3_1.OperationObject;

const meanings: Readonly<Record<string, string>> = {
  200: "Done",
  202: "Accepted",
  204: "Done; no body",
  400: "The input is not valid; `fields` says what",
  401: "Neither the token nor a login",
  403: "Asked by another site, or without the CSRF token",
  404: "There is no such thing",
  405: "Read-only",
  409: "The state does not allow it; `allowed` names the states that would",
  410: "It was removed, or the feed no longer reaches back so far",
  413: "Too large",
  415: "Not JSON",
  429: "Too many requests; `Retry-After` says when to retry",
  503: "Redis is unreachable; `Retry-After` says when to retry",
};

const header = (name: string, description: string): OpenAPIV3_1.ParameterObject => ({
  name,
  in: "header",
  required: false,
  description,
  schema: { type: "string" },
});

const changeHeaders = [
  header("X-Actor", "Actor, stored with the action. For a login, its name comes first."),
  header("X-CSRF-Token", "From GET /api/session; needed with a login, not with a token"),
];

const methods = ["get", "put", "post", "delete"] as const;

/** Completes it: unique names, the meaning of each status, the headers that every write may carry. */
function tidyDocument(document: Document): Document {
  for (const item of Object.values(document.paths ?? {})) {
    for (const method of methods) {
      const operation = item?.[method];
      if (operation === undefined) continue;
      describeResponses(operation);
      if (method === "get") continue;
      operation.parameters = [...(operation.parameters ?? []), ...changeHeaders];
      relaxBody(operation, document);
    }
  }
  return withoutDoubles(document);
}

function describeResponses(operation: Operation): void {
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    if ("description" in response && response.description === "Default Response") {
      response.description = meanings[status] ?? `Status ${status}`;
    }
  }
}

/** A body without required members may be omitted. */
function relaxBody({ requestBody }: Operation, document: Document): void {
  if (requestBody === undefined || "$ref" in requestBody) return;
  const schema = requestBody.content["application/json"]?.schema;
  if (schema === undefined || !("$ref" in schema) || schema.$ref === undefined) return;
  const named = document.components?.schemas?.[schema.$ref.split("/").at(-1) ?? ""];
  if (named !== undefined && (named.required ?? []).length === 0) requestBody.required = false;
}

/** Every schema is generated twice, as input and as output; only referenced ones are kept. */
function withoutDoubles(document: Document): Document {
  const schemas = document.components?.schemas ?? {};
  const used = new Set<string>();
  const follow = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const name = key === "$ref" && typeof inner === "string" ? inner.split("/").at(-1)! : undefined;
      if (name === undefined) follow(inner);
      else if (!used.has(name)) {
        used.add(name);
        follow(schemas[name]);
      }
    }
  };
  follow(document.paths);
  const kept = Object.entries(schemas).filter(([name]) => used.has(name));
  const shortName = (name: string): string => {
    const short = name.replace(/Input$/, "");
    return used.has(short) ? name : short;
  };
  const renamed = JSON.parse(
    JSON.stringify({
      ...document,
      components: { ...document.components, schemas: Object.fromEntries(kept) },
    }),
    (key, value: unknown) =>
      key === "$ref" && typeof value === "string"
        ? value.replace(/[^/]+$/, (name) => shortName(name))
        : value,
  ) as Document;
  const all = Object.entries(renamed.components?.schemas ?? {});
  renamed.components = {
    ...renamed.components,
    schemas: Object.fromEntries(all.map(([name, schema]) => [shortName(name), schema])),
  };
  return renamed;
}
