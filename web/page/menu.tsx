import { type ReactNode, useEffect, useRef } from 'react'

interface MenuProps {
  /** What stands on the button that opens it. */
  readonly title: string
  readonly children: ReactNode
}

/** What opens below a button, and closes on Escape and on a press elsewhere. */
export function Menu({ title, children }: MenuProps) {
  const menu = useRef<HTMLDetailsElement>(null)
  const button = useRef<HTMLElement>(null)
  useEffect(() => {
    const press = ({ target }: PointerEvent) => {
      if (menu.current !== null && !menu.current.contains(target as Node)) menu.current.open = false
    }
    document.addEventListener('pointerdown', press)
    return () => document.removeEventListener('pointerdown', press)
  }, [])
  return (
    <details
      className="menu"
      ref={menu}
      onKeyDown={({ key, currentTarget }) => {
        if (key !== 'Escape' || !currentTarget.open) return
        currentTarget.open = false
        // What had the focus is gone.
        button.current?.focus()
      }}
    >
      <summary ref={button}>{title}</summary>
      <div>{children}</div>
    </details>
  )
}
