// All components share one animation frame, so that React renders all changes at once.
const due = new Set<() => void>()
let frame = 0

// Outside of a browser there are no animation frames.
const request = (run: () => void): number =>
  typeof requestAnimationFrame === 'function' ? requestAnimationFrame(run) : Number(setTimeout(run, 16))
const cancel = (id: number) =>
  typeof cancelAnimationFrame === 'function' ? cancelAnimationFrame(id) : clearTimeout(id)

/** Calls a function in the next animation frame. Returns the function that cancels this. */
export function requestRender(render: () => void): () => void {
  if (due.size === 0) frame = request(renderDue)
  due.add(render)
  return () => {
    if (due.delete(render) && due.size === 0) cancel(frame)
  }
}

function renderDue(): void {
  const renders = [...due]
  due.clear()
  for (const render of renders) render()
}
