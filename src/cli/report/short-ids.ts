const SHORT = 8;

/** The ids as they are shown: eight characters, or as many as it takes for each of them to be the only one. */
export function shortIds(ids: readonly string[]): string[] {
  const unique = new Set(ids).size;
  const longest = ids.reduce((most, id) => Math.max(most, id.length), 0);
  let length = SHORT;
  while (length < longest && new Set(ids.map((id) => id.slice(0, length))).size < unique) length += 1;
  return ids.map((id) => id.slice(0, length));
}
