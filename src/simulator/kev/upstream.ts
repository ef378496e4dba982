/** CISA's catalogue of known exploited vulnerabilities: one JSON file. */
import type { JsonObject } from "../../core/json.ts";
import { corruptJson } from "../faults/content.ts";
import type { Drawn } from "../faults/injector.ts";
import type { Reply } from "../http/reply.ts";
import { mix, Random } from "../random.ts";
import { type StaticFile, serveFile } from "../snapshot/files.ts";
import { SnapshotUpstream } from "../snapshot/upstream.ts";
import type { ContentEntry } from "../types.ts";
import type { SimRequest } from "../upstream.ts";

export const KEV_PATH = "/sites/default/files/feeds/known_exploited_vulnerabilities.json";
const real = { before: "kev-2025-01-27", after: "kev-2025-08-25" } as const;
const vendors = ["Acme", "Northwind", "Contoso", "Initech", "Globex"];
const products = ["Gateway", "Mail Server", "Router OS", "VPN Client", "Firmware"];
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export class KevUpstream extends SnapshotUpstream {
  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== KEV_PATH) return undefined;
    const older = this.older.get(KEV_PATH);
    if (older && drawn.take("older-edition") !== undefined) return serveFile(older, headers);
    this.options.injector.count("bad-record", this.badRecords().length);
    const answer = serveFile(this.#file(), headers);
    if (answer.status === 200 && drawn.take("kev-count") !== undefined) {
      const text = answer.body[0]!.toString("utf8").replace(
        /"count": (\d+)/,
        (_, n: string) => `"count": ${Number(n) + 1}`,
      );
      return { ...answer, body: [Buffer.from(text)] };
    }
    return corruptJson(answer, drawn);
  }

  #file(): StaticFile {
    return this.file(KEV_PATH, "application/json", () => {
      const catalogue = this.#catalogue();
      if (this.options.sharedData !== undefined && !this.isBad())
        return this.shared("kev", `${real[this.point]}.json.gz`);
      const rows = this.jsonTexts(catalogue.vulnerabilities, { id: "cveID", list: "cwes" });
      const { vulnerabilities: _, ...head } = catalogue;
      return `${JSON.stringify(head, null, 1).slice(0, -2)},\n "vulnerabilities": [\n${rows.join(",\n")}\n]\n}\n`;
    });
  }

  #catalogue(): JsonObject & { vulnerabilities: JsonObject[] } {
    if (this.options.sharedData !== undefined)
      return JSON.parse(this.shared("kev", `${real[this.point]}.json.gz`).toString("utf8"));
    const vulnerabilities = Array.from(this.entries.live(), ({ slot, edition }) =>
      this.#row(slot, edition),
    ).reverse();
    return {
      title: "CISA Catalog of Known Exploited Vulnerabilities",
      catalogVersion: day(this.releasedAt).replaceAll("-", "."),
      dateReleased: new Date(this.releasedAt).toISOString().replace("Z", "6Z"),
      count: vulnerabilities.length,
      vulnerabilities,
    };
  }

  #row(slot: number, edition: number): JsonObject {
    const { seed, now } = this.options;
    const random = new Random(mix(seed, slot, 0xec1));
    const added = now - (70 + random.int(0, 1_000)) * 86_400_000;
    const [vendor, product] = [random.pick(vendors), random.pick(products)];
    return {
      cveID: this.entries.idOf(slot),
      vendorProject: vendor,
      product,
      vulnerabilityName: `${vendor} ${product} Improper Input Validation Vulnerability`,
      dateAdded: day(added),
      shortDescription: `${vendor} ${product} contains a flaw that allows remote code execution.${edition > 1 ? ` Revision ${edition}.` : ""}`,
      requiredAction: "Apply mitigations per vendor instructions or discontinue use of the product.",
      dueDate: day(added + 21 * 86_400_000),
      knownRansomwareCampaignUse: random.pick(["Known", "Unknown"]),
      notes: `https://nvd.nist.gov/vuln/detail/${this.entries.idOf(slot)}`,
      cwes: random.chance(0.1) ? [] : [`CWE-${random.int(5, 1_400)}`],
    };
  }

  protected *records(): Generator<ContentEntry> {
    for (const data of this.#catalogue().vulnerabilities) yield { id: String(data.cveID), data };
  }

  protected *kept(): Generator<[string, StaticFile]> {
    yield [KEV_PATH, this.#file()];
  }
}
