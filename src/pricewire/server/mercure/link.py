"""Tells where the hub is, in one's own application too; it needs no package besides."""

from __future__ import annotations


def hub_link(url: str, *, last_event_id: str | None = None, content_type: str | None = None) -> str:
    """
    Return the header `Link` that tells who gets a resource of one's own where its updates come from.

        response.headers["Link"] = hub_link("https://hub.example.com/.well-known/mercure", last_event_id=newest)

    Args:
        url: the hub's URL.
        last_event_id: the id of the newest update that the resource has: subscribers get what comes after it.
        content_type: the media type of the updates, where it is not the resource's.

    Raises:
        ValueError: the URL has a character that would end it, or a text one that cannot stand in a header.
    """
    attributes = {"last-event-id": last_event_id, "content-type": content_type}
    given = {name: value for name, value in attributes.items() if value is not None}
    if any(character in url for character in '<>"\\ ') or not all(each.isascii() and each.isprintable() for each in (url, *given.values())):
        raise ValueError("the URL, the id and the media type are of ASCII, and the URL is without spaces, quotes and angle brackets")
    texts = [f"{name}={_quoted(value)}" for name, value in given.items()]
    return "; ".join([f"<{url}>", 'rel="mercure"', *texts])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
