/** The OpenAPI document, generated from the routes and served at /openapi.json. */
import { fastifySwagger } from "@fastify/swagger";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { App } from "../app.ts";
import { tidyDocument } from "./openapiTidy.ts";

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
