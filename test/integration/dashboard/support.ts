/** A dashboard over a real engine, a real Redis and real sockets. */
import { silentLogger } from "../../../src/core/logger.ts";
import type { App, DashboardOptions } from "../../../src/dashboard/app.ts";
import { buildDashboard } from "../../../src/dashboard/server.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { type Answer, type Asking, ask } from "../../support/httpAsk.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../../support/testEngine.ts";

export const token = "a-token-for-tests-only";
export const bearer = { authorization: `Bearer ${token}` };

export interface Served {
  app: App;
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** As it is. */
  ask(path: string, asking?: Asking): Promise<Answer>;
  /** With the token. */
  get(path: string): Promise<Answer>;
  send(method: string, path: string, body?: unknown, headers?: Asking["headers"]): Promise<Answer>;
}

export interface TestDashboard extends Served {
  redis: TestRedis;
  test: TestEngine;
  /** One more dashboard of the same fleet; closed with this one. */
  another(over?: Partial<DashboardOptions>): Promise<Served>;
  close(): Promise<void>;
}

export interface DashboardWishes extends Partial<DashboardOptions> {
  /** Without a token. */
  open?: boolean;
  engine?: Parameters<typeof openTestEngine>[1];
}

export async function startDashboard({
  open = false,
  engine = {},
  ...over
}: DashboardWishes = {}): Promise<TestDashboard> {
  const redis = await startRedis();
  const test = await openTestEngine(redis.url, engine);
  const backend = { engine: test.engine, redis: test.redis, keys: makeKeys("uee") };
  const apps: App[] = [];
  const another = async (own: Partial<DashboardOptions> = {}): Promise<Served> => {
    const app = await buildDashboard({
      backend: () => backend,
      logger: silentLogger(),
      version: "0.0.0-test",
      ...(open ? {} : { token }),
      ...over,
      ...own,
    });
    apps.push(app);
    return serve(app, open ? {} : bearer);
  };
  return {
    ...(await another()),
    redis,
    test,
    another,
    async close() {
      await Promise.all(apps.map((app) => app.close()));
      await test.close();
      await redis.stop();
    },
  };
}

export async function serve(app: App, credentials: Record<string, string>): Promise<Served> {
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    app,
    url,
    ask: (path, asking) => ask(url, path, asking),
    get: (path) => ask(url, path, { headers: credentials }),
    send: (method, path, body, headers = {}) =>
      ask(url, path, { method, body, headers: { ...credentials, ...headers } }),
  };
}

/** `GET /api/providers/{id}/checkpoints`, of every route that is registered. */
export function servedRoutes(app: App): string[] {
  const found: string[] = [];
  const above: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split("\n")) {
    const [, indent = "", part = "", methods] =
      /^((?:│ {3}| {4})*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    above.length = indent.length / 4;
    above.push(part);
    const path = above.join("").replace(/:(\w+)/g, "{$1}");
    for (const method of methods?.split(", ") ?? []) found.push(`${method} ${path}`);
  }
  return found;
}
