/** FIRST's EPSS: a gzipped CSV of one day, reached through a redirect from `epss_scores-current.csv.gz`. */
import { gzipSync } from "node:zlib";
import type { JsonObject } from "../../core/json.ts";
import type { Drawn } from "../faults/injector.ts";
import { type Reply, reply } from "../http/reply.ts";
import { fraction } from "../random.ts";
import { type StaticFile, serveFile } from "../snapshot/files.ts";
import { SnapshotUpstream } from "../snapshot/upstream.ts";
import { type BadKind, type ChangeReport, type ContentEntry, emptyReport, type Point } from "../types.ts";
import type { SimRequest } from "../upstream.ts";

export const EPSS_PATH = "/epss_scores-current.csv.gz";
const MODEL = "v2026.06.15";
const COLUMNS = "cve,epss,percentile";
const real = {
  before: { file: "epss_scores-2026-01-30.csv.gz", day: "2026-01-30" },
  after: { file: "epss_scores-2026-02-01.reconstructed.csv.gz", day: "2026-02-01" },
} as const;

export class EpssUpstream extends SnapshotUpstream {
  #day(plus = 0): string {
    if (this.options.sharedData !== undefined && plus === 0) return real[this.point].day;
    return new Date(this.releasedAt + plus * 86_400_000).toISOString().slice(0, 10);
  }

  #path(day = this.#day()): string {
    return `/epss_scores-${day}.csv.gz`;
  }

  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path === EPSS_PATH) {
      const older = [...this.older.keys()][0];
      const target =
        drawn.take("epss-late") !== undefined
          ? this.#path(this.#day(1))
          : older && drawn.take("older-edition") !== undefined
            ? older
            : this.#path();
      return reply(302, { location: target, "content-length": "0" });
    }
    const old = this.older.get(path);
    if (old) return serveFile(old, headers);
    if (path !== this.#path()) return undefined;
    this.options.injector.count("bad-record", this.badRecords().length);
    const broken = this.#broken(drawn);
    if (broken) return reply(200, { "content-type": "application/gzip" }, gzipSync(broken, { level: 1 }));
    return serveFile(this.#file(), headers);
  }

  #broken(drawn: Drawn): string | undefined {
    const text = (): string => this.#text();
    if (drawn.take("epss-no-header") !== undefined) return text().replace(/^#.*\n/, "");
    if (drawn.take("epss-old-date") !== undefined) return text().replace(/Z\n/, "+0000\n");
    if (drawn.take("epss-cut") !== undefined) return text().slice(0, -12);
    if (drawn.take("epss-width") === undefined) return undefined;
    const lines = text().split("\n");
    // The last row lacks a column, the first has one too many.
    lines[2] += ",0.5";
    lines[lines.length - 2] = lines.at(-2)!.replace(/,[^,]*$/, "");
    return lines.join("\n");
  }

  #file(): StaticFile {
    return this.file(this.#path(), "application/gzip", () => gzipSync(this.#text(), { level: 1 }));
  }

  #text(): string {
    const isBad = this.isBad();
    if (this.options.sharedData !== undefined && !isBad)
      return this.shared("epss", real[this.point].file).toString("utf8");
    let text = `#model_version:${MODEL},score_date:${this.#day()}T12:55:00Z\n${COLUMNS}\n`;
    for (const row of this.#rows()) text += `${line(row, isBad?.(row.cve))}\n`;
    return text;
  }

  *#rows(): Generator<Row> {
    if (this.options.sharedData !== undefined) {
      for (const text of this.shared("epss", real[this.point].file).toString("utf8").split("\n").slice(2)) {
        const [cve = "", epss = "", percentile = ""] = text.trimEnd().split(",");
        if (cve !== "") yield { cve, epss, percentile };
      }
      return;
    }
    const { seed } = this.options;
    for (const { slot, edition } of this.entries.live()) {
      // Nearly every score moves with every release.
      const still = fraction(seed, slot, 0xe7 + this.entries.release) < 0.02;
      const moved = still ? 0 : this.entries.release;
      const rank = fraction(seed, slot, 0xe5);
      const drift = (fraction(seed, slot, 0xe600 + moved * 31 + edition) - 0.5) / 1_000;
      yield {
        cve: this.entries.idOf(slot),
        epss: Math.min(0.99999, Math.max(0.00001, rank ** 8 + Math.abs(drift))).toFixed(5),
        percentile: Math.min(1, Math.max(0, rank + drift)).toFixed(5),
      };
    }
  }

  /** For real data no ids are reported: nearly all of 300,000 rows change. */
  override setPoint(point: Point): ChangeReport {
    if (this.options.sharedData === undefined) return super.setPoint(point);
    this.point = point;
    this.forget();
    return emptyReport();
  }

  protected *records(): Generator<ContentEntry> {
    for (const row of this.#rows()) yield { id: row.cve, data: row satisfies JsonObject };
  }

  protected *kept(): Generator<[string, StaticFile]> {
    yield [this.#path(), this.#file()];
  }
}

type Row = { cve: string; epss: string; percentile: string };

function line({ cve, epss, percentile }: Row, bad: BadKind | undefined): string {
  if (bad === "not-an-object") return cve;
  if (bad === "no-id") return `,${epss},${percentile}`;
  if (bad === "wrong-id") return `no valid id,${epss},${percentile}`;
  return bad === "wrong-list" ? `${cve},much,${percentile}` : `${cve},${epss},${percentile}`;
}
