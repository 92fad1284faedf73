"""Scripts that tests run in the tabs of a browser."""

from __future__ import annotations

BLOCK = """path => void setTimeout(() => {
  const request = new XMLHttpRequest()
  request.open('GET', path, false)
  // It is only there to be waited for: that it fails in the end is as good.
  try { request.send() } catch {}
})"""
"""Blocks a tab until a path of its own server is answered."""
