/** What the events of the server's that speak of the stream itself mean. */
const CONTROL: Readonly<Record<string, string>> = {
  changed: 'the stream now carries these topics',
  stale: 'this feed has fallen silent',
  reset: 'what was missed cannot be sent any more; current values follow',
  error: 'the server ends the stream, and says why',
}

/** Returns what a block of an event stream means, in a few words. */
export function describeEvent(block: string): string {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    fields.set(name, value)
  }
  const type = fields.get('event')
  if (type !== undefined) return CONTROL[type] ?? `an event ${type}`
  const data = fields.get('data')
  if (data === undefined) return 'a sign of life'
  const message = parse(data)
  if (message.event === undefined) return 'a message'
  const merged = message.merged ? `, stands for ${message.merged} more` : ''
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
