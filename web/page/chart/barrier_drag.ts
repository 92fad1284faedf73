/** How near the pointer has to be to a line to take hold of it, in pixels: a finger needs more than a mouse. */
const REACH = { mouse: 5, touch: 16 } as const

/** What {@link makeDraggable} needs. */
export interface DragOptions {
  /** Returns the line's distance from the top of the box in pixels; null while there is no line. */
  readonly position: () => number | null
  /** Called with the distance at every move. */
  readonly onMove: (y: number) => void
  /** Called with the distance at the end. */
  readonly onDrop: (y: number) => void
  /** Called when the pointer takes hold of the line, and when it lets go. */
  readonly onHold: (isHeld: boolean) => void
}

/** Lets the pointer drag a horizontal line of a box up and down. Returns the function that ends this. */
export function makeDraggable(box: HTMLElement, { position, onMove, onDrop, onHold }: DragOptions): () => void {
  const end = new AbortController()
  const { signal } = end
  let held: number | undefined
  const heightOf = ({ clientY }: PointerEvent) => clientY - box.getBoundingClientRect().top
  const isNear = (event: PointerEvent) => {
    const at = position()
    return at !== null && Math.abs(heightOf(event) - at) <= REACH[event.pointerType === 'mouse' ? 'mouse' : 'touch']
  }
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || !isNear(event)) return
    // Before the chart sees it, which would scroll.
    event.stopPropagation()
    event.preventDefault()
    held = event.pointerId
    box.setPointerCapture(held)
    onHold(true)
  }
  const move = (event: PointerEvent) => {
    if (held === undefined) box.style.cursor = isNear(event) ? 'ns-resize' : ''
    else if (event.pointerId === held) onMove(heightOf(event))
  }
  const up = (event: PointerEvent) => {
    if (event.pointerId !== held) return
    held = undefined
    onHold(false)
    if (event.type === 'pointerup') onDrop(heightOf(event))
  }
  box.addEventListener('pointerdown', down, { capture: true, signal })
  box.addEventListener('pointermove', move, { capture: true, signal })
  box.addEventListener('pointerup', up, { signal })
  box.addEventListener('pointercancel', up, { signal })
  return () => end.abort()
}
