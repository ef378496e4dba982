// Hostile answers, each as a function of a path: the worst that an upstream, or an attacker in its place, could send.
import { crc32, deflateRawSync, gzipSync } from "node:zlib";

const MB = 1024 * 1024;
const collections = [
  "1f5f1533-f617-4ca8-9ab4-6a02367fa019",
  "dac0d2d7-8653-445c-9bff-82f934c1e858",
  "90c00720-636b-4485-b342-8751d232bf09",
];
const index = JSON.stringify({
  collections: collections.map((id, i) => ({
    id: `x-mitre-collection--${id}`,
    versions: [{ version: "1", url: `bundle-${i}.json` }],
  })),
});
const stix = (n, more = "") =>
  `{"id":"tool--${String(n).padStart(8, "0")}-0000-4000-8000-000000000000","type":"tool"${more}}`;
const bundle = (objects, more = "") => `{"type":"bundle"${more},"objects":[${objects.join(",")}]}`;
const attack = (objects, more) => ({
  provider: "attack",
  path: "/index.json",
  answers: {
    "/index.json": index,
    "/bundle-0.json": bundle(objects, more),
    "/bundle-1.json": bundle([stix(90_000_001)]),
    "/bundle-2.json": bundle([stix(90_000_002)]),
  },
});
const page = (records) =>
  `{"startIndex":0,"totalResults":${records.length},"timestamp":"2026-01-10T12:00:00.000","vulnerabilities":[${records.map((record) => `{"cve":${record}}`).join(",")}]}`;
const cve = (n, more = "") => `{"id":"CVE-2026-${n}","lastModified":"2026-01-01T00:00:00.000"${more}}`;
const cves = (records, headers) => ({
  provider: "cve",
  path: "/",
  answers: { "/": headers ? gzipSync(page(records)) : page(records) },
  headers,
});
const xml = (content) =>
  `<Weakness_Catalog Version="1" Date="2026-01-01"><Weaknesses>${content}</Weaknesses></Weakness_Catalog>`;
const cwe = (body) => ({ provider: "cwe", path: "/", answers: { "/": body } });
const kev = (entries) => ({
  provider: "kev",
  path: "/",
  answers: {
    "/": `{"catalogVersion":"2026.01.01","dateReleased":"2026-01-01T00:00:00.000Z","count":${entries.length},"vulnerabilities":[${entries.join(",")}]}`,
  },
});
const entry = (n, more = "") => `{"cveID":"CVE-2026-${n}","cwes":[]${more}}`;
const epss = (rows) => ({
  provider: "epss",
  path: "/",
  answers: {
    "/": gzipSync(
      `#model_version:v2026.01.01,score_date:2026-01-01T12:00:00Z\ncve,epss,percentile\n${rows}\n`,
      { level: 1 },
    ),
  },
});
const good = '<Weakness ID="1"><Summary>s</Summary></Weakness>';

/** A zip with one file. */
function zip(text) {
  const content = Buffer.from(text);
  const name = Buffer.from("cwec.xml");
  const data = deflateRawSync(content);
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt16LE(8, 4);
  common.writeUInt32LE(crc32(content), 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(content.length, 18);
  common.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, name, data]);
  const central = Buffer.concat([
    Buffer.from("PK\x01\x02"),
    Buffer.from([20, 0]),
    common,
    Buffer.alloc(14),
    name,
  ]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, central, Buffer.from("PK\x05\x06"), end]);
}

export const hostileFiles = [
  [
    "CVE page: one record nested 20,000 deep",
    () => cves([cve(1001), cve(1002, `,"x":${"[".repeat(20_000)}${"]".repeat(20_000)}`)]),
  ],
  [
    "CVE page: 16 MB of empty lists in 80 records",
    () => cves(Array.from({ length: 80 }, (_, i) => cve(1000 + i, `,"x":[${"[],".repeat(66_000)}0]`))),
  ],
  ["CVE page: one record of 200 MB", () => cves([cve(1001, `,"x":"${"x".repeat(200 * MB)}"`)])],
  [
    "CVE page: gzip bomb, 250 MB of blanks",
    () => cves([`{"x":${" ".repeat(250 * MB)}1}`, cve(1001)], { "content-encoding": "gzip" }),
  ],
  [
    "ATT&CK: sixty foreign members of 4 MB beside the objects",
    () =>
      attack([stix(1)], Array.from({ length: 60 }, (_, i) => `,"x${i}":"${"x".repeat(4 * MB)}"`).join("")),
  ],
  [
    "ATT&CK: a foreign member nested 10 million deep",
    () => attack([stix(1)], `,"x":${"[".repeat(1e7)}${"]".repeat(1e7)}`),
  ],
  [
    "ATT&CK: ten objects of 8 MB",
    () => attack(Array.from({ length: 10 }, (_, i) => stix(i, `,"x":"${"x".repeat(8 * MB - 200)}"`))),
  ],
  [
    "ATT&CK: an object of 250,000 objects",
    () => attack([stix(1), stix(2, `,"x":[${'{"a":1},'.repeat(124_000)}0]`)]),
  ],
  [
    "ATT&CK: 1,000,000 objects",
    () => attack([`${stix(0)}${Array.from({ length: 1e6 }, (_, i) => `,${stix(i)}`).join("")}`]),
  ],
  [
    "CWE: zipped XML, one text of 240 MB",
    () => cwe(zip(xml(`${good}<Weakness ID="2"><Summary>${"x".repeat(240 * MB)}</Summary></Weakness>`))),
  ],
  [
    "CWE: zipped XML, one text of 60 MB",
    () => cwe(zip(xml(`${good}<Weakness ID="2"><Summary>${"x".repeat(60 * MB)}</Summary></Weakness>`))),
  ],
  [
    "CWE: zipped XML, 14 million children of one record",
    () => cwe(zip(xml(`${good}<Weakness ID="2">${"<a/>".repeat(14e6)}</Weakness>`))),
  ],
  [
    "CWE: zipped XML, 2 million children of one record",
    () => cwe(zip(xml(`${good}<Weakness ID="2">${"<a/>".repeat(2e6)}</Weakness>`))),
  ],
  [
    "CWE: zipped XML, 20,000 levels",
    () => cwe(zip(xml(`${good}<Weakness ID="2">${"<a>".repeat(2e4)}${"</a>".repeat(2e4)}</Weakness>`))),
  ],
  [
    "CWE: zipped XML, a tag of 10 million attributes",
    () => cwe(zip(xml(`${good}<Weakness ID="2"><a${' b=""'.repeat(1e7)}/></Weakness>`))),
  ],
  ["CWE: zipped XML, a comment of 60 MB", () => cwe(zip(xml(`${good}<!--${"x".repeat(60 * MB)}-->`)))],
  [
    "CWE: plain XML of 63 MB",
    () => cwe(xml(`${good}${'<Weakness ID="7"><Summary>abcdefghijklmnop</Summary></Weakness>'.repeat(1e6)}`)),
  ],
  ["KEV: an entry of 200 MB", () => kev([entry(1001), entry(1002, `,"x":"${"x".repeat(200 * MB)}"`)])],
  ["KEV: 14 million numbers instead of entries", () => kev([`${entry(1001)}${",0".repeat(14e6)}`])],
  ["EPSS: gzipped CSV, a line of 250 MB", () => epss(`CVE-2026-1001,${"0".repeat(250 * MB)},0.5`)],
  [
    "EPSS: gzipped CSV, 10 million rows of one id",
    () => epss("CVE-2026-1001,0.5,0.5\n".repeat(1e7).trimEnd()),
  ],
];
