// Plain technical English in comments, documents and messages; scripts/lib/language.mjs has the rules.
//   node scripts/check-language.mjs [root of another tree] [its list of allowed paths]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib/fingerprint.mjs";
import { languageReport } from "./lib/language.mjs";
import { say } from "./lib/run.mjs";

const places = ["src", "docs", "bench", "examples", "scripts", "test", "README.md", "CHANGELOG.md"];
const tree = process.argv[2] ?? root;
const list = process.argv[3] ?? join(root, "scripts/language-allowed.json");
const report = languageReport(tree, places, JSON.parse(readFileSync(list, "utf8")));
for (const line of report) say(`  error ${line}`);
process.exitCode = report.length > 0 ? 1 : 0;
