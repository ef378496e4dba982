// What the fastest mirrors that write files do: one process, one page at a time, one JSON file a record, by year. Nothing is
// compared, nothing is checked, and what a crash takes is gone. argv: folder, address of the CVE API
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, address] = process.argv.slice(2);
const PAGE = 2000;
const years = new Set();
let total = Number.POSITIVE_INFINITY;
let at = 0;
while (at < total) {
  const response = await fetch(`${address}?resultsPerPage=${PAGE}&startIndex=${at}`);
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const page = JSON.parse(await response.text());
  for (const { cve } of page.vulnerabilities) {
    const year = cve.id.split("-")[1];
    if (!years.has(year)) {
      years.add(year);
      mkdirSync(join(folder, year), { recursive: true });
    }
    writeFileSync(join(folder, year, `${cve.id}.json`), JSON.stringify(cve, null, 2));
  }
  total = page.totalResults;
  at += page.vulnerabilities.length;
}
process.stdout.write(JSON.stringify({ records: at }));
