/** What the server has for who asks by name only, never for a pattern: what a contract costs, and what is for operators. */
const NAMED_ONLY = /^(proposal:|contract_price:|admin$)/

/** Says whether a name stands for all topics of a beginning: a `*` at its end says that, as in `ticks:1HZ*`. */
export function isPattern(name: string): boolean {
  return name.endsWith('*')
}

/** Says whether a pattern among some names stands for a topic. */
export function covers(names: Iterable<string>, topic: string): boolean {
  if (isPattern(topic) || NAMED_ONLY.test(topic)) return false
  for (const name of names) if (isPattern(name) && topic.startsWith(name.slice(0, -1))) return true
  return false
}

/** Says whether there may be topics that two different names both stand for: one of them is a pattern. */
export function overlap(name: string, other: string): boolean {
  if (isPattern(name) && isPattern(other))
    return name.startsWith(other.slice(0, -1)) || other.startsWith(name.slice(0, -1))
  return covers([name], other) || covers([other], name)
}
