/** The meaning of the events by which the server speaks about the stream itself. */
const CONTROL: Readonly<Record<string, string>> = {
  changed: 'the stream now has these topics',
  stale: 'the feed of this topic sends no prices',
  reset: 'missed events are no longer available; current values follow',
  error: 'the server ends the stream for this reason',
}

/** Returns the meaning of a block of an event stream, in a few words. */
export function describeEvent(block: string): string {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    fields.set(name, value)
  }
  const type = fields.get('event')
  if (type !== undefined) return CONTROL[type] ?? `an event of type ${type}`
  const data = fields.get('data')
  if (data === undefined) return 'a heartbeat'
  const message = parse(data)
  if (message.event === undefined) return 'a message'
  const merged = message.merged ? `, replaces ${message.merged} older` : ''
  const name = message.event.replaceAll('_', ' ')
  return `${name} of ${message.subscription_id}, number ${message.seq}${merged}`
}

interface Message {
  readonly event?: string
  readonly subscription_id?: string
  readonly seq?: number
  readonly merged?: number
}

function parse(data: string): Message {
  try {
    return (JSON.parse(data) ?? {}) as Message
  } catch {
    return {}
  }
}
