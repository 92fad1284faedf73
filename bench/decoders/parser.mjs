// Decodes a file with eventsource-parser in chunks of a size, some rounds, and prints the events and the best round's seconds of CPU.
import { readFileSync } from 'node:fs'
import { createParser } from 'eventsource-parser'

const [path, size, rounds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const stream = readFileSync(path)
const chunks = []
for (let start = 0; start < stream.length; start += size) chunks.push(stream.subarray(start, start + size))
let best = Infinity
let events = 0
for (let round = 0; round < rounds; round += 1) {
  events = 0
  const decoder = new TextDecoder()
  const parser = createParser({ onEvent: () => { events += 1 } })
  const before = process.cpuUsage()
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }))
  const { user, system } = process.cpuUsage(before)
  best = Math.min(best, (user + system) / 1e6)
}
console.log(JSON.stringify({ events, seconds: best }))
