import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";

const repo = fileURLToPath(new URL("../../..", import.meta.url));
const isRoot = process.getuid?.() === 0;

let root: string;
let calls: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uee-setup-"));
  calls = join(root, "calls.log");
  cpSync(join(repo, "scripts"), join(root, "scripts"), { recursive: true });
  cpSync(join(repo, "bin"), join(root, "bin"), { recursive: true });
  for (const file of ["package.json", "tsconfig.json", "tsconfig.build.json"])
    cpSync(join(repo, file), join(root, file));
  write("src/redis/packageManagers.json", readFileSync(join(repo, "src/redis/packageManagers.json"), "utf8"));
  mkdirSync(join(root, "tools"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, content: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

const lockOf = (version: string) =>
  JSON.stringify({
    packages: {
      "": {},
      "node_modules/a": { version, integrity: "x" },
      "node_modules/mac": { version: "1", optional: true },
    },
  });
const installed = (version: string) =>
  JSON.stringify({ packages: { "node_modules/a": { version, integrity: "x" } } });

function tool(name: string, body: string): void {
  chmodSync(write(`tools/${name}`, `#!/bin/sh\necho "${name} $*" >> "${calls}"\n${body}\n`), 0o755);
}

function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    // A machine of its own: nothing of ours is in its PATH.
    env: { PATH: join(root, "tools"), npm_execpath: join(root, "npm.js"), ...env },
  });
  return { ...result, called: existsSync(calls) ? readFileSync(calls, "utf8") : "" };
}

describe("set-up: npm packages", () => {
  const setup = () => run(["scripts/setup.mjs", "--no-redis", "--no-build"]);
  beforeEach(() => {
    write("package-lock.json", lockOf("1.0.0"));
    write(
      "npm.js",
      `const fs = require("node:fs"); fs.appendFileSync(${JSON.stringify(calls)}, "npm " + process.argv.slice(2).join(" "));`,
    );
    // npm.js is CommonJS beside a package that says module.
    write("package.json", "{}");
  });

  test("are installed where there are none, with those for development", () => {
    const { status, called, stdout } = setup();
    expect(called).toMatch(/^npm ci --include=dev/);
    expect([status, stdout]).toEqual([0, ""]);
  });

  test("are left alone, without output, when they are what the lock file says", () => {
    write("node_modules/.package-lock.json", installed("1.0.0"));
    expect(setup()).toMatchObject({ status: 0, called: "", stderr: "" });
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(root, "package-lock.json"), later, later);
    expect(setup()).toMatchObject({ status: 0, called: "", stderr: "" });
  });

  test("are installed again when the lock file says something else", () => {
    write("node_modules/.package-lock.json", installed("1.0.0"));
    write("package-lock.json", lockOf("1.0.1"));
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(root, "package-lock.json"), later, later);
    expect(setup().called).toMatch(/^npm ci/);
  });
});

test("every package in the lock file has its integrity, and the packages of all platforms are there", () => {
  const { packages } = JSON.parse(readFileSync(join(repo, "package-lock.json"), "utf8")) as {
    packages: Record<string, { integrity?: string; optionalDependencies?: Record<string, string> }>;
  };
  const locked = Object.entries(packages).filter(([path]) => path !== "");
  // npm writes an integrity for every package that it has asked the registry about.
  expect(locked.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([]);
  const names = new Set(locked.map(([path]) => path.replace(/^.*node_modules\//, "")));
  const optional = locked.flatMap(([, one]) => Object.keys(one.optionalDependencies ?? {}));
  expect(optional.filter((name) => !names.has(name))).toEqual([]);
});

describe("set-up: redis-server", () => {
  const setup = (env: NodeJS.ProcessEnv = {}) => run(["scripts/setup.mjs", "--no-build"], env);
  beforeEach(() => {
    write("package-lock.json", lockOf("1.0.0"));
    write("node_modules/.package-lock.json", installed("1.0.0"));
  });

  test("is not touched where it is there", () => {
    tool("redis-server", "");
    tool("apt-get", "");
    expect(setup()).toMatchObject({ status: 0, called: "", stderr: "" });
  });

  test("is not installed against the person's word, who gets the exact command instead", () => {
    tool("apt-get", "");
    const { status, stderr, called } = setup({ UEE_INSTALL: "0" });
    expect(stderr).toContain("apt-get install -y --no-install-recommends redis-server");
    expect([status, called]).toEqual([1, ""]);
  });

  test("without any package manager is asked for", () => {
    const { status, stderr } = setup();
    expect(stderr).toContain("Install Redis 6.2 or newer");
    expect(status).toBe(1);
  });

  (isRoot ? test : test.skip)("is installed through the package manager by root, which is said first", () => {
    tool(
      "apk",
      `echo "#!/bin/sh" > "${join(root, "tools/redis-server")}"; /bin/chmod +x "${join(root, "tools/redis-server")}"`,
    );
    const { status, stderr, called } = setup();
    expect(stderr).toContain("installing it: apk add redis   (UEE_INSTALL=0 forbids this)");
    expect([status, called]).toEqual([0, "apk add redis\n"]);
  });

  (isRoot ? test : test.skip)(
    "that could not be installed is a failure with the command that was tried",
    () => {
      tool("apt-get", 'exit "$([ "$1" = update ] && echo 0 || echo 100)"');
      const { status, stderr, called } = setup();
      expect(called).toMatch(/^apt-get update\napt-get install/);
      expect(stderr).toContain("could not be installed");
      expect(status).toBe(1);
    },
  );
});

describe("bin/uee", () => {
  const uee = (...args: string[]) => run(["bin/uee", ...args]);
  beforeEach(() => {
    symlinkSync(join(repo, "node_modules"), join(root, "node_modules"));
    cpSync(join(repo, "package-lock.json"), join(root, "package-lock.json"));
    write(
      "src/cli/main.ts",
      'import { word } from "../word.ts";\nconsole.log(word as string, process.argv[2]);\n',
    );
    write("src/word.ts", 'export const word: string = "one";\n');
    write("src/a.lua", "return 1\n");
    write("src/dashboard/page/main.tsx", "document.title = 'page';\n");
    write("src/dashboard/page/styles/main.css", "body { margin: 0 }\n");
    write("src/dashboard/page/icon.svg", "<svg/>\n");
    write("src/dashboard/page/index.html", '<script src="{{page.js}}"></script>\n');
  });

  test("builds a fresh checkout once, saying so on stderr, and again after an edit", () => {
    const first = uee("hello");
    expect(first.stderr).toContain("not built yet");
    expect(first).toMatchObject({ stdout: "one hello\n", status: 0 });
    expect(readFileSync(join(root, "dist/a.lua"), "utf8")).toBe("return 1\n");
    expect(readFileSync(join(root, "dist/dashboard/page/index.html"), "utf8")).toMatch(
      /src="assets\/page-\w+\.js"/,
    );
    expect(uee("again")).toMatchObject({ stdout: "one again\n", stderr: "" });
    write("src/word.ts", 'export const word: string = "two";\n');
    rmSync(join(root, "src/a.lua"));
    const third = uee("x");
    expect(third.stdout).toBe("two x\n");
    expect(third.stderr).toContain("has changed");
    expect(existsSync(join(root, "dist/a.lua"))).toBe(false);
  });

  test("of a package never builds", () => {
    uee("x");
    rmSync(join(root, "src"), { recursive: true });
    rmSync(join(root, "scripts"), { recursive: true });
    expect(uee("hello")).toMatchObject({ stdout: "one hello\n", stderr: "", status: 0 });
  });

  test("whose source does not compile fails and leaves what was built", () => {
    uee("x");
    write("src/word.ts", "export const word = ;\n");
    expect(uee("x")).toMatchObject({ status: 1, stdout: "" });
    write("src/word.ts", 'export const word: string = "three";\n');
    expect(uee("x").stdout).toBe("three x\n");
  });
});
