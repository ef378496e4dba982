/** Lists that never outgrow their bound; the page stays open for weeks. */

/** Newest first: adds in front what has a new key, and forgets the oldest. The same list where nothing is new. */
export function withNewest<T>(
  list: readonly T[],
  added: readonly T[],
  most: number,
  keyOf: (item: T) => string,
): readonly T[] {
  const known = new Set(list.map(keyOf));
  const fresh = added.filter((item) => !known.has(keyOf(item)));
  if (fresh.length === 0) return list;
  return [...fresh, ...list].slice(0, most);
}

/** Oldest first: adds at the end, and forgets from the front. */
export const withLast = <T>(list: readonly T[], item: T, most: number): readonly T[] => [
  ...(list.length >= most ? list.slice(list.length - most + 1) : list),
  item,
];
