// Plain technical English in comments, documents and messages; scripts/lib/language.mjs has the rules.
//   node scripts/check-language.mjs [root of another tree]
import { root } from "./lib/fingerprint.mjs";
import { languageReport } from "./lib/language.mjs";
import { say } from "./lib/run.mjs";

const places = [
  "src",
  "bin",
  "deploy",
  ".github",
  "docs",
  "bench",
  "examples",
  "scripts",
  "test",
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CODE_OF_CONDUCT.md",
];
const report = languageReport(process.argv[2] ?? root, places);
for (const line of report) say(`  error ${line}`);
process.exitCode = report.length > 0 ? 1 : 0;
