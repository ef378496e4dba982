// The direction of imports, types included (DESIGN: one way, no circles), for dependency-cruiser.
//   cli, dashboard, client → session → outlets → engine → workers → recovery → runs
//   → queues, permits, breakers, machines, records → upstream → config → redis → core;
//   providers and simulator stand beside them and know core only.
const levels = [
  ["core"],
  ["redis"],
  ["config"],
  ["upstream"],
  ["queues", "permits", "breakers", "machines", "records"],
  ["runs"],
  ["recovery"],
  ["workers"],
  ["engine"],
  ["outlets"],
  ["session"],
  ["cli", "dashboard", "client"],
];

/** A folder; `engine` is the composition root and its parts. */
const pathOf = (name) => (name === "engine" ? "^src/engine(\\.ts$|/)" : `^src/${name}/`);

const upward = levels.slice(0, -1).flatMap((names, level) => {
  const above = levels.slice(level + 1).flat();
  return names.map((name) => ({
    name: `${name}-imports-no-higher-level`,
    severity: "error",
    comment: `${name} must not know ${above.join(", ")}.`,
    from: { path: pathOf(name) },
    to: { path: above.map(pathOf) },
  }));
});

module.exports = {
  forbidden: [
    ...upward,
    {
      name: "the-public-surface-is-for-others",
      severity: "error",
      comment: "src/index.ts exports what lies inside; nothing inside imports it.",
      from: { path: "^src/" },
      to: { path: "^src/index\\.ts$" },
    },
    { name: "no-circles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "providers-import-core-only",
      severity: "error",
      comment: "A provider is pure: it gets what it needs handed in.",
      from: { path: "^src/providers/" },
      to: { path: "^src/", pathNot: "^src/(core|providers)/" },
    },
    {
      name: "providers-do-not-know-each-other",
      severity: "error",
      comment: "What providers share lies in providers/formats (readers) and providers/snapshot.",
      from: { path: "^src/providers/([^/]+)/" },
      to: {
        path: "^src/providers/[^/]+/",
        pathNot: ["^src/providers/$1/", "^src/providers/(formats|snapshot)/"],
      },
    },
    {
      name: "only-the-registry-lists-providers",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(providers/|index\\.ts$)" },
      to: { path: "^src/providers/", pathNot: "^src/providers/(contract|registry)\\.ts$" },
    },
    {
      name: "simulator-imports-core-only",
      severity: "error",
      from: { path: "^src/simulator/" },
      to: { path: "^src/", pathNot: "^src/(core|simulator)/" },
    },
    {
      name: "only-cli-starts-the-simulator",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(cli|simulator)/" },
      to: { path: "^src/simulator/" },
    },
    {
      name: "the-page-is-not-imported",
      severity: "error",
      comment: "The imports of the page itself are checked by lib/pageImports.mjs.",
      from: { path: "^src/", pathNot: "^src/dashboard/page/" },
      to: { path: "^src/dashboard/page/" },
    },
    {
      name: "only-queues-knows-bullmq",
      severity: "error",
      comment: "src/queues is the adapter to BullMQ; Bull Board is given the queues as BullMQ has them.",
      from: { path: "^src/", pathNot: "^src/(queues|dashboard/board)/" },
      to: { path: "(^|node_modules/)bullmq(/|$)" },
    },
    {
      name: "every-import-is-found",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // TypeScript 7 has no JavaScript API that dependency-cruiser could use; swc reads our files as well.
    parser: "swc",
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/dashboard/page/.*\\.tsx$" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
