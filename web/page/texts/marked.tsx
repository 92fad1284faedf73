/** A text in which what stands between two `**` is bold. */
export function Marked({ text }: { text: string }) {
  // Every second part stands between two marks.
  // biome-ignore lint/suspicious/noArrayIndexKey: the parts have no identity but their place.
  return text.split('**').map((part, place) => (place % 2 === 1 ? <b key={place}>{part}</b> : part))
}
