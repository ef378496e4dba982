/** What cannot be run here is read: the deployment files say what the documents promise of them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.enum(["/livez", "/readyz"]), port: z.string() }),
  periodSeconds: z.int(),
  timeoutSeconds: z.int().optional(),
  failureThreshold: z.int().optional(),
});
const labels = z.record(z.string(), z.string());
const deployment = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata: z.strictObject({ name: z.string(), labels }),
  spec: z.strictObject({
    replicas: z.int().positive(),
    selector: z.strictObject({ matchLabels: labels }),
    strategy: z.object({ rollingUpdate: z.object({ maxUnavailable: z.int() }) }).optional(),
    template: z.strictObject({
      metadata: z.strictObject({ labels, annotations: labels }),
      spec: z.strictObject({
        terminationGracePeriodSeconds: z.int(),
        automountServiceAccountToken: z.literal(false),
        enableServiceLinks: z.literal(false),
        securityContext: z.strictObject({
          runAsNonRoot: z.literal(true),
          runAsUser: z.int().positive(),
          seccompProfile: z.object({ type: z.literal("RuntimeDefault") }),
        }),
        containers: z.tuple([
          z.strictObject({
            name: z.string(),
            image: z.literal("uee"),
            args: z.array(z.string()),
            envFrom: z.array(z.unknown()).length(3),
            ports: z.tuple([z.strictObject({ name: z.string(), containerPort: z.int() })]),
            startupProbe: probe,
            livenessProbe: probe,
            readinessProbe: probe,
            resources: z.object({ requests: z.object({ cpu: z.string(), memory: z.string() }) }),
            securityContext: z.strictObject({
              allowPrivilegeEscalation: z.literal(false),
              readOnlyRootFilesystem: z.literal(true),
              capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
            }),
          }),
        ]),
      }),
    }),
  }),
});

type Resource = { apiVersion: string; kind: string; metadata: { name: string } } & Record<string, unknown>;

const folder = "deploy/kubernetes";
const resources: Resource[] = readdirSync(join(root, folder))
  .filter((file) => file.endsWith(".yaml"))
  .flatMap((file) =>
    parseAllDocuments(read(join(folder, file))).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Resource;
    }),
  );
const named = (kind: string, name: string): Resource => {
  const found = resources.find((resource) => resource.kind === kind && resource.metadata.name === name);
  if (!found) throw new Error(`no ${kind} ${name}`);
  return found;
};

/** UEE_STOP_DEADLINE's default. */
const STOP_DEADLINE_S = 25;

describe("the Kubernetes manifests", () => {
  test.each(["uee-worker", "uee-dashboard"])(
    "of %s are whole, unprivileged, probed, and end after UEE does",
    (name) => {
      const { spec } = deployment.parse(named("Deployment", name));
      expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
      const pod = spec.template.spec;
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(STOP_DEADLINE_S + 5);
      const [container] = pod.containers;
      const [port] = container.ports;
      expect(container.args).toContain(String(port.containerPort));
      expect(container.livenessProbe.httpGet).toEqual({ path: "/livez", port: port.name });
      expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: port.name });
      expect(container.envFrom).toEqual([
        { configMapRef: { name: "uee" } },
        { secretRef: { name: "uee-redis" } },
        { secretRef: { name, ...(name === "uee-worker" ? { optional: true } : {}) } },
      ]);
    },
  );

  test("give each process the secrets that it needs, and no other's", () => {
    const keys = (name: string) => Object.keys(named("Secret", name).stringData as object);
    expect(keys("uee-redis")).toEqual(["REDIS_URL"]);
    expect(keys("uee-worker")).toEqual(["NVD_API_KEY"]);
    expect(keys("uee-dashboard")).toEqual(["UEE_API_TOKEN"]);
  });

  test("let the network reach the dashboard's port alone, and only workers reach upstreams", () => {
    const policy = (name: string) => {
      const { spec } = named("NetworkPolicy", name) as unknown as {
        spec: Record<"ingress" | "egress", { ports: { port: number }[] }[]> & {
          podSelector: { matchLabels: object };
          policyTypes: string[];
        };
      };
      expect(spec.policyTypes).toEqual(["Ingress", "Egress"]);
      expect(spec.podSelector).toEqual(deployment.parse(named("Deployment", name)).spec.selector);
      const ports = (rules: { ports: { port: number }[] }[] = []) =>
        rules.flatMap((rule) => rule.ports.map(({ port }) => port));
      return { in: ports(spec.ingress), out: ports(spec.egress) };
    };
    expect(policy("uee-worker").in).toEqual([]);
    expect(policy("uee-dashboard").in).toEqual([8330]);
    expect(policy("uee-worker").out).toEqual(expect.arrayContaining([53, 6379, 443]));
    expect(policy("uee-dashboard").out).not.toContain(443);
  });

  test("keep one worker at work through drains, and route to the dashboard's own port", () => {
    const workers = deployment.parse(named("Deployment", "uee-worker")).spec.selector;
    expect(named("PodDisruptionBudget", "uee-worker").spec).toEqual({ minAvailable: 1, selector: workers });
    const dashboard = deployment.parse(named("Deployment", "uee-dashboard")).spec.selector.matchLabels;
    expect(named("Service", "uee-dashboard").spec).toMatchObject({
      selector: dashboard,
      ports: [{ targetPort: "http" }],
    });
  });

  test("apply what they name, and no secret", () => {
    const { resources: files } = parse(read(join(folder, "kustomization.yaml"))) as { resources: string[] };
    for (const file of files) expect(existsSync(join(root, folder, file))).toBe(true);
    expect(files.filter((file) => file.includes("secret"))).toEqual([]);
    for (const value of Object.values(named("ConfigMap", "uee").data as object))
      expect(typeof value).toBe("string");
  });

  test("scale workers on jobs that wait, where KEDA is", () => {
    const { spec } = named("ScaledObject", "uee-worker") as unknown as {
      spec: { scaleTargetRef: { name: string }; triggers: { type: string; metadata: { query: string } }[] };
    };
    expect(spec.scaleTargetRef.name).toBe("uee-worker");
    expect(spec.triggers).toMatchObject([
      { type: "prometheus", metadata: { query: expect.stringContaining("uee_") } },
    ]);
  });
});

describe("the compose file", () => {
  interface Service {
    command: string[];
    stop_grace_period: string;
    environment: Record<string, string>;
    image: string;
  }
  const { services, volumes } = parse(read("deploy/compose.yaml"), { merge: true }) as {
    services: Record<"redis" | "worker" | "dashboard", Service>;
    volumes: object;
  };

  test("starts a Redis that evicts nothing and keeps what it was told", () => {
    const words = services.redis.command.at(-1)!.split(/\s+/);
    const setting = (name: string) => words[words.indexOf(name) + 1];
    expect(setting("--maxmemory-policy")).toBe("noeviction");
    expect(setting("--appendonly")).toBe("yes");
    expect(volumes).toHaveProperty("redis-data");
  });

  test("puts no secret into the arguments of a process, and gives each only its own", () => {
    for (const { command } of Object.values(services)) {
      expect(command.join(" ")).not.toMatch(/(?<!\$)\$\{/);
    }
    expect(Object.keys(services.worker.environment)).toEqual(
      expect.arrayContaining(["REDIS_URL", "NVD_API_KEY"]),
    );
    expect(services.worker.environment).not.toHaveProperty("UEE_API_TOKEN");
    expect(services.dashboard.environment).not.toHaveProperty("NVD_API_KEY");
  });

  test.each(["worker", "dashboard"] as const)(
    "gives every %s time to end by itself, and its secrets from outside",
    (name) => {
      const service = services[name];
      expect(service.command[0]).toBe(name);
      expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(STOP_DEADLINE_S + 5);
      expect(service.environment.REDIS_URL).toContain("${REDIS_PASSWORD:?");
      const port = service.command.at(-1)!;
      if (name === "dashboard") {
        expect(service.environment.UEE_API_TOKEN).toContain("${UEE_API_TOKEN:?");
        expect(service.environment.UEE_HEALTH_URL).toContain(`:${port}/livez`);
      }
    },
  );
});

describe("the package", () => {
  test("ships its licence, which is the one that it names", () => {
    const { license, files } = JSON.parse(read("package.json"));
    expect(license).toBe("Apache-2.0");
    expect(read("LICENSE")).toMatch(/^\s*Apache License\s+Version 2\.0/);
    for (const path of files) expect(existsSync(join(root, path)) || path === "dist").toBe(true);
    expect(files).toContain("LICENSE");
  });
});

describe("the Dockerfile", () => {
  const text = read("deploy/Dockerfile");
  /** Instructions with their continued lines joined. */
  const lines = text
    .replace(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const of = (instruction: string) => lines.filter((line) => line.startsWith(`${instruction} `));

  test("is built on the LTS line that .nvmrc names", () => {
    const line = read(".nvmrc").trim();
    for (const from of of("FROM")) expect(from).toMatch(new RegExp(`^FROM node:${line}-`));
  });

  test("builds in one stage and ships another, that runs as no root and is checked", () => {
    expect(of("FROM")).toHaveLength(2);
    const shipped = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
    expect(shipped).toContain("USER node");
    expect(shipped.some((line) => line.startsWith("HEALTHCHECK "))).toBe(true);
    expect(shipped.find((line) => line.startsWith("ENTRYPOINT"))).toBe('ENTRYPOINT ["uee"]');
    // Without src/ bin/uee takes itself for a package and never builds.
    expect(shipped.filter((line) => line.startsWith("COPY ")).join()).not.toContain("/src");
  });

  test("finds all that it copies in what .dockerignore lets through", () => {
    const allowed = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    for (const needed of ["package.json", "package-lock.json", "bin", "scripts", "src"])
      expect(allowed).toContain(needed);
    for (const path of allowed.filter((path) => !path.includes("*")))
      expect(existsSync(join(root, path))).toBe(true);
    expect(
      of("COPY")
        .filter((line) => line.includes("--from=build"))
        .map((line) => line.split(" ")[2]),
    ).toEqual(["/build/package.json", "/build/node_modules", "/build/bin", "/build/dist"]);
  });
});
