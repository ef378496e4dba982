/** A copy of the repository in which sources are broken and mended again; the repository itself is never touched. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Catcher, Mutant } from "./catalogue.ts";
import { applyEdit, findSafeguards } from "./safeguards.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Outcome {
  caught: boolean;
  /** What caught it, or why nothing did. */
  by: string;
  ms: number;
}

export class Workshop {
  readonly dir = mkdtempSync(join(tmpdir(), "uee-mutants-"));

  constructor() {
    // What git would track, and what is new: no build, no results.
    const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
    });
    if (listed.status !== 0) throw new Error(`the files cannot be listed: ${listed.stderr}`);
    for (const file of listed.stdout.split("\n").filter((name) => name !== "")) {
      const to = join(this.dir, file);
      mkdirSync(dirname(to), { recursive: true });
      // A file that git knows may be deleted here.
      try {
        cpSync(join(root, file), to);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    symlinkSync(join(root, "node_modules"), join(this.dir, "node_modules"));
  }

  /** Breaks, lets the catchers try, restores. Throws where a safeguard is missing or the broken sources do not build. */
  async verify(mutant: Mutant, say: (line: string) => void): Promise<Outcome> {
    const started = performance.now();
    const originals = new Map<string, string>();
    try {
      const safeguards = findSafeguards(this.dir);
      for (const edit of mutant.edits) {
        const [place, ...more] = safeguards.get(edit.at) ?? [];
        if (place === undefined || more.length > 0) {
          throw new Error(`${mutant.name}: @safeguard ${edit.at} stands not exactly once in the sources`);
        }
        const path = join(this.dir, place.file);
        const text = readFileSync(path, "utf8");
        if (!originals.has(place.file)) originals.set(place.file, text);
        writeFileSync(path, applyEdit(text, place.file.endsWith(".lua") ? "lua" : "ts", edit));
      }
      this.#checkNames();
      this.#build();
      const tried: string[] = [];
      for (const catcher of mutant.caughtBy) {
        const what = describeCatcher(catcher);
        say(`  ${what} …`);
        const found = await this.#try(catcher);
        if (found !== undefined)
          return { caught: true, by: `${what}: ${found}`, ms: performance.now() - started };
        tried.push(what);
      }
      return { caught: false, by: `not by ${tried.join(", nor by ")}`, ms: performance.now() - started };
    } finally {
      for (const [file, text] of originals) writeFileSync(join(this.dir, file), text);
    }
  }

  /** A mutant that names something unknown would be caught for the wrong reason. */
  #checkNames(): void {
    const args = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json", "--pretty", "false"];
    const { stdout } = spawnSync(process.execPath, args, { cwd: this.dir, encoding: "utf8" });
    const unknown = stdout
      .split("\n")
      .filter((line) => /error TS(2304|2552|2339|2305|18004|1\d{3}):/.test(line));
    if (unknown.length > 0) throw new Error(`the mutant does not compile: ${unknown.join("\n")}`);
  }

  #build(): void {
    const built = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: this.dir, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`the mutant does not build: ${built.stdout}${built.stderr}`);
  }

  /** What told it, or undefined. */
  async #try(catcher: Catcher): Promise<string | undefined> {
    if ("test" in catcher) {
      const args = [
        "--experimental-vm-modules",
        "--no-warnings",
        "node_modules/jest/bin/jest.js",
        "--forceExit",
        // Titles are told for a folder of tests, too.
        "--verbose",
      ];
      const only = catcher.only === undefined ? [] : ["-t", catcher.only];
      const { code, output } = await this.#run([...args, catcher.test, ...only]);
      if (code === 0) return undefined;
      // A file that is evidence of an error code which was not made then names its failed tests at their causes alone.
      const failed =
        /✕ (.*?)(?: \([\d.]+ m?s\))?$/m.exec(output)?.[1] ??
        /^ {2}● (?!Test suite failed)(?:.* › )?(.*)$/m.exec(output)?.[1];
      if (failed === undefined) throw new Error(`${catcher.test} could not be run:\n${output.slice(-2_000)}`);
      return failed;
    }
    const { seed, minutes, mode = "single" } = catcher.hunt;
    const flags = ["--seed", seed, "--minutes", minutes, "--mode", mode].map(String);
    const { code, output } = await this.#run(["scripts/chaos.mjs", ...flags]);
    if (code === 0) return undefined;
    const laws = [...output.matchAll(/^BREACH law\s+(\d+)/gm)].map(([, law]) => Number(law));
    const told = laws.filter((law) => catcher.laws.includes(law));
    if (told.length > 0) return `law ${told.join(", ")}`;
    if (!/^BREACH/m.test(output)) throw new Error(`the hunt could not be held:\n${output.slice(-2_000)}`);
    return undefined;
  }

  async #run(args: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, args, { cwd: this.dir, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, output };
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

const describeCatcher = (catcher: Catcher): string =>
  "test" in catcher
    ? catcher.test
    : `hunt --seed ${catcher.hunt.seed} --minutes ${catcher.hunt.minutes}${catcher.hunt.mode ? ` --mode ${catcher.hunt.mode}` : ""}`;
