import { texts } from '../texts/language.js'
import { lookUp } from '../texts/look_up.js'

/** Returns the meaning of a block of an event stream, in a few words. */
export function describeEvent(block: string): string {
  const words = texts.inspector
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    fields.set(name, value)
  }
  const type = fields.get('event')
  if (type !== undefined) return lookUp(words.control, type) ?? words.ofType(type)
  const data = fields.get('data')
  if (data === undefined) return words.heartbeat
  const message = parse(data)
  if (message.event === undefined) return words.message
  const merged = message.merged ? words.merged(message.merged) : ''
  const name = message.event.replaceAll('_', ' ')
  return `${words.event(name, String(message.subscription_id), String(message.seq))}${merged}`
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
