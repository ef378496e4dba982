/** Similar spellings of an id: missing prefixes, wrong separators, leading zeros, neighbours of a typing error. */
export function nearSpellings(text: string): string[] {
  const plain = text
    .trim()
    .toUpperCase()
    .replace(/[\s_:/]+/g, "-");
  const found = new Set<string>();
  const cve = /^(?:CVE)?-*((?:19|20)\d{2})-*(\d{1,7})$/.exec(plain);
  if (cve) {
    const [, year, number] = cve as unknown as [string, string, string];
    found.add(`CVE-${year}-${number.padStart(4, "0")}`);
    found.add(`CVE-${year}-${number.replace(/^0+(?=\d{4})/, "")}`);
    // A missing or extra digit is most frequent at the end.
    if (number.length > 4) found.add(`CVE-${year}-${number.slice(0, -1)}`);
    for (const shift of [-1, 1]) {
      found.add(`CVE-${Number(year) + shift}-${number.padStart(4, "0")}`);
      found.add(`CVE-${year}-${String(Number(number) + shift).padStart(Math.max(4, number.length), "0")}`);
    }
  }
  const numbered = /^(?:(CWE|CAPEC)?-*)0*(\d{1,6})$/.exec(plain);
  if (numbered) {
    const [, prefix, number] = numbered as unknown as [string, string | undefined, string];
    for (const name of prefix ? [prefix] : ["CWE", "CAPEC"]) found.add(`${name}-${number}`);
  }
  const technique = /^T-*(\d{1,4})(?:[.-](\d{1,3}))?$/.exec(plain);
  if (technique) {
    const [, number, sub] = technique as unknown as [string, string, string | undefined];
    const parent = `T${number.padStart(4, "0")}`;
    if (sub) found.add(`${parent}.${sub.padStart(3, "0")}`);
    found.add(parent);
  }
  const other = /^(TA|G|S|M|DS|C)-*(\d{1,4})$/.exec(plain);
  if (other) found.add(`${other[1]}${other[2]!.padStart(4, "0")}`);
  if (/^[A-Z-]+--[0-9A-F-]{36}$/.test(plain)) found.add(plain.toLowerCase());
  found.delete(text);
  return [...found];
}
