/** The dashboard's page and its files. They contain no secrets; the login is part of the page. */
import { fileURLToPath } from "node:url";
import { fastifyStatic } from "@fastify/static";
import type { FastifyPluginAsync, FastifyReply } from "fastify";
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { UeeError } from "../../../core/errors.ts";
import type { App } from "../../app.ts";
import { errorSchema } from "../schemas.ts";

/** Output folder of the build. It writes compressed variants beside each file. */
const builtPage = fileURLToPath(new URL("../../page", import.meta.url));

/** The addresses that people may keep: one document, whose script shows the view that the address names. */
const views = [
  ["/", "showOverview", "The dashboard: is it all there, how fresh, what needs a person"],
  ["/runs", "showRuns", "The dashboard's runs"],
  ["/runs/:id", "showRun", "One run on the dashboard"],
  ["/records", "showRecords", "The dashboard's search of records"],
  ["/records/:id", "showRecord", "One record on the dashboard"],
  ["/changes", "showChanges", "The change feed on the dashboard"],
  ["/dead-letters", "showDeadLetters", "The dead letters on the dashboard"],
  ["/fleet", "showFleet", "Workers, permits, breakers and the kernel on the dashboard"],
  ["/history", "showHistory", "What happened, on the dashboard"],
] as const;
const viewParams = z.object({ id: z.string().max(400) });

const html = z.string().meta({ id: "Page", description: "HTML" });
const content = z.string().meta({ id: "PageFile", description: "Script, style sheet or picture" });

export async function pageRoutes(app: App, folder = builtPage): Promise<void> {
  const routes: FastifyPluginAsyncZod = async (scope) => {
    // `serve: false`: only the routes below send files.
    const options = { root: folder, serve: false, preCompressed: true, cacheControl: false };
    await scope.register(fastifyStatic, { ...options, logLevel: "error" });
    const send = (reply: unknown, file: string, caching: string) =>
      (reply as FastifyReply).header("cache-control", caching).sendFile(file);
    for (const [path, operationId, summary] of views) {
      scope.get(
        path,
        {
          config: { access: "public" },
          schema: {
            ...{ operationId, tags: ["pages"], summary, security: [] },
            ...(path.endsWith("/:id") ? { params: viewParams } : {}),
            response: { 200: { content: { "text/html": { schema: html } } } },
          },
        },
        // File names contain a hash, so files are cached without limit; the page that names them is revalidated each
        // time.
        (_request, reply) => void send(reply, "index.html", "no-cache"),
      );
    }
    scope.get(
      "/assets/:file",
      {
        config: { access: "public" },
        schema: {
          ...{ operationId: "getPageFile", tags: ["pages"], security: [] },
          summary: "A file of the dashboard; its name changes with its content",
          params: z.object({ file: z.string().max(100).describe("As the page names it") }),
          response: { 200: { content: { "*/*": { schema: content } } }, 404: errorSchema },
        },
      },
      ({ params: { file } }, reply) => {
        if (!/^[\w-]+\.(js|css|svg)$/.test(file)) {
          throw new UeeError("API_NOT_FOUND", "There is no such file of the page.");
        }
        void send(reply, `assets/${file}`, "public, max-age=31536000, immutable");
      },
    );
  };
  await app.register(routes as FastifyPluginAsync);
}
