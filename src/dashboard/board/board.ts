/**
 * Bull Board at /queues, read-only. Its own buttons know nothing of runs, checkpoints and dead letters; actions go
 * through the engine. Everything it shows is redacted.
 */
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { FastifyAdapter } from "@bull-board/fastify";
import type { FastifyPluginAsync } from "fastify";
import { UeeError } from "../../core/errors.ts";
import { makeScrubber, redactValue } from "../../core/secrets.ts";
import { openQueue } from "../../queues/bullmqQueue.ts";
import type { App, Backend } from "../app.ts";
import { bodyOf, statusOf, toApiError } from "../errors.ts";

const boardPath = "/queues";

/** Its page under our security headers: nothing from other hosts, nothing inline. */
const boardPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    // Its page contains the path under which it is served.
    baseUri: ["'self'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    objectSrc: ["'none'"],
    imgSrc: ["'self'", "data:"],
  },
};

/** Its page requests fonts from another host and inline styles; both would be refused with console errors. */
const withoutInline = (html: string): string =>
  html
    .replace(/<link [^>]*href="https?:\/\/[^>]*>/g, "")
    .replace(/<style>[\s\S]*?<\/style>/g, "")
    .replace(/ style="[^"]*"/g, "");

/** The page offers up to 50; a larger value would load whole sets. */
const MOST_JOBS_A_PAGE = 100;

export interface BoardOptions {
  backend(): Backend;
  secrets: readonly string[];
}

export async function installBoard(app: App, { backend, secrets }: BoardOptions): Promise<void> {
  const adapter = new FastifyAdapter().setBasePath(boardPath);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: "UEE queues",
        hideRedisDetails: true,
        miscLinks: [{ text: "Dashboard", url: "/" }],
        hideDocsLink: true,
        // This would list all clients of Redis at every poll, which our user may not be allowed to do.
        showWorkers: false,
      },
    },
  });
  adapter.setErrorHandler((thrown) => {
    const error = toApiError(thrown);
    return { status: statusOf(error) as 500, body: bodyOf(error) as never };
  });

  let shown: { backend: Backend; close(): Promise<void> } | undefined;
  /** Redis may connect after the page is served, and may be another one after an outage. */
  const showQueues = (): void => {
    const current = backend();
    if (shown?.backend === current) return;
    void shown?.close();
    const queues = openQueues(current);
    board.replaceQueues(queues.map(({ adapter: one }) => one));
    shown = {
      backend: current,
      close: async () => void (await Promise.allSettled(queues.map(({ close }) => close()))),
    };
  };
  const scrub = makeScrubber(secrets);

  const plugin: FastifyPluginAsync = async (scope) => {
    scope.addHook("onRequest", async (request, reply) => {
      await reply.helmet({ contentSecurityPolicy: boardPolicy });
      if (request.method !== "GET") throw new UeeError("API_READ_ONLY");
      const { jobsPerPage } = request.query as { jobsPerPage?: unknown };
      if (jobsPerPage !== undefined && !(Number(jobsPerPage) <= MOST_JOBS_A_PAGE)) {
        throw new UeeError("API_BAD_INPUT", `jobsPerPage must be a number up to ${MOST_JOBS_A_PAGE}.`);
      }
      if (request.url.startsWith(`${boardPath}/api/`)) showQueues();
    });
    scope.addHook("onSend", async (_request, reply, payload) => {
      if (reply.statusCode === 401) void reply.header("www-authenticate", 'Bearer realm="uee"');
      if (reply.statusCode === 503) void reply.header("retry-after", "1");
      if (typeof payload !== "string") return payload;
      const type = String(reply.getHeader("content-type") ?? "");
      return scrub(type.startsWith("text/html") ? withoutInline(payload) : payload);
    });
    await scope.register(adapter.registerPlugin());
  };
  await app.register(plugin, { prefix: boardPath });
  app.addHook("onClose", async () => {
    await shown?.close();
  });
}

/** People look for why a dead letter that they accepted still stands there. */
const aboutFailed =
  "Failed jobs are its dead letters: they stay until they are replayed, purged or settled by a run; an accepted one stays too and counts nowhere.";

function openQueues({ engine, redis, keys }: Backend) {
  const ofProviders = engine.providers.map((name) => {
    const queue = openQueue(keys.provider(name).queue, redis.of(keys.provider(name).tag));
    return {
      adapter: readOnly(queue, name, `Batches of ${name}. ${aboutFailed}`),
      close: () => queue.close(),
    };
  });
  const runs = openQueue(keys.runsQueue, redis.of(keys.runsQueue.prefix));
  const ofRuns = {
    adapter: readOnly(runs, "runs", "Runs that scripts and schedules ask for"),
    close: () => runs.close(),
  };
  const webhook = openQueue(keys.webhookQueue, redis.of(keys.webhookQueue.prefix));
  const ofWebhook = {
    adapter: readOnly(webhook, "webhook", "Messages to the webhook"),
    close: () => webhook.close(),
  };
  return [...ofProviders, ofRuns, ofWebhook];
}

function readOnly(
  queue: ConstructorParameters<typeof BullMQAdapter>[0],
  displayName: string,
  description: string,
): BullMQAdapter {
  const adapter = new BullMQAdapter(queue, {
    readOnlyMode: true,
    allowRetries: false,
    displayName,
    description,
  });
  for (const field of ["data", "returnValue", "progress"] as const) adapter.setFormatter(field, redactValue);
  return adapter;
}
