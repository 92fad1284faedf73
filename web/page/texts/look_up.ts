/** Returns a text of a table by a key that comes from elsewhere; undefined where the table has none, also for what every object has. */
export function lookUp(table: Readonly<Record<string, string>>, key = ''): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
