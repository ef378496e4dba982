/** Spellings of CVE ids that were perhaps meant: prefixes forgotten, leading zeros, neighbours of a typo. */
export function nearCveIds(text: string): string[] {
  const match = /^(?:CVE)?-*((?:19|20)\d{2})-*(\d{1,7})$/.exec(text);
  if (!match) return [];
  const [, year, number] = match as unknown as [string, string, string];
  const found = [
    `CVE-${year}-${number.padStart(4, "0")}`,
    `CVE-${year}-${number.replace(/^0+(?=\d{4})/, "")}`,
  ];
  // A digit too many or too few is most often at the end.
  if (number.length > 4) found.push(`CVE-${year}-${number.slice(0, -1)}`);
  for (const shift of [-1, 1]) {
    found.push(`CVE-${Number(year) + shift}-${number.padStart(4, "0")}`);
    found.push(`CVE-${year}-${String(Number(number) + shift).padStart(Math.max(4, number.length), "0")}`);
  }
  return found;
}
