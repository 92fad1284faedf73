"""What the page keeps of the prices that have passed: nothing that grows."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.page_server import PageServer, wait_for_state

PRICES = 40

# React joins what is set to a hook into a ring, and takes it apart when the component renders. Where nothing changes it may never do so.
LONGEST = """() => {
  const root = document.getElementById('root')
  const key = Object.keys(root).find(name => name.startsWith('__reactContainer$'))
  const longest = { length: 0, component: '' }
  const look = fiber => {
    for (; fiber; fiber = fiber.sibling) {
      for (let hook = fiber.memoizedState; hook && typeof hook === 'object' && 'next' in hook; hook = hook.next) {
        const last = hook.queue?.pending
        let length = 0
        for (let update = last?.next; update; update = update.next) {
          length += 1
          if (update === last) break
        }
        if (length > longest.length) Object.assign(longest, { length, component: fiber.type?.name ?? '' })
      }
      look(fiber.child)
    }
  }
  look(root[key].child ?? root[key].stateNode.current)
  return longest
}"""


def test_prices_leave_nothing_behind_in_a_component_that_does_not_render(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    wait_for_state(page, "live")
    legend = page.locator(".legend")
    for price in range(1902, 1902 + PRICES):
        page_server.move(price)
        expect(legend).to_contain_text(f"{price}.00")
    longest = page.evaluate(LONGEST)
    assert longest["length"] < PRICES / 4, longest
