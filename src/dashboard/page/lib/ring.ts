/** Bounded lists; the page may stay open for weeks. */

/** Newest first: prepends entries with new keys and drops the oldest. Returns the same list if nothing is new. */
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

/** Oldest first: appends, and drops from the front. */
export const withLast = <T>(list: readonly T[], item: T, most: number): readonly T[] => [
  ...(list.length >= most ? list.slice(list.length - most + 1) : list),
  item,
];
