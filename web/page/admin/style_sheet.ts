/**
 * Adds a style sheet to the page, after the others, and waits until it has come; where it does not, the page does without.
 *
 * Vite would do so for an `import`, with code that every trader would load.
 */
export function addStyleSheet(href: string): Promise<unknown> {
  const link = document.createElement('link')
  link.rel = 'stylesheet'
  link.href = href
  const settled = new Promise((resolve) => {
    link.onload = resolve
    link.onerror = resolve
  })
  document.head.append(link)
  return settled
}
