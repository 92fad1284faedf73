import { type RefObject, useEffect, useState } from 'react'

const listeners = new WeakMap<Element, (isInView: boolean) => void>()

/** One observer for all elements: with hundreds of elements, one observer each would cost the browser much more. */
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting)
})

/** Returns whether any part of an element is visible in the window and in the boxes that scroll around it; true until that is known. */
export function useInView(element: RefObject<Element | null>): boolean {
  const [isInView, setInView] = useState(true)
  useEffect(() => {
    const { current: watched } = element
    if (watched === null) return
    listeners.set(watched, setInView)
    observer.observe(watched)
    return () => observer.unobserve(watched)
  }, [element])
  return isInView
}
