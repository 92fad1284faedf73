import { type RefObject, useEffect, useState } from 'react'

const tellers = new WeakMap<Element, (isInView: boolean) => void>()

/** One for all elements: where hundreds are watched, that costs the browser far less than one for each. */
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) tellers.get(target)?.(isIntersecting)
})

/** Returns whether any of an element can be seen, by the window and by what scrolls around it; until that is known it counts as seen. */
export function useInView(element: RefObject<Element | null>): boolean {
  const [isInView, setInView] = useState(true)
  useEffect(() => {
    const { current: watched } = element
    if (watched === null) return
    tellers.set(watched, setInView)
    observer.observe(watched)
    return () => observer.unobserve(watched)
  }, [element])
  return isInView
}
