"""Tells where the hub is: in one's own application by a header `Link`, and to clients of OAuth by a document."""

from __future__ import annotations

from typing import Any

from pricewire.server.mercure.access_tokens import DETAIL_TYPES
from pricewire.server.mercure.configuration import MercureSetup

METADATA = "/.well-known/oauth-protected-resource"
"""Where the document is: the hub's own path follows. Source: RFC 9728, section 3.1."""


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


def metadata_url(setup: MercureSetup) -> str:
    """Return where the document is."""
    return f"{setup.origin}{METADATA}{setup.path}"


def metadata(setup: MercureSetup) -> dict[str, Any]:
    """Return the document. Source: RFC 9728, section 2; the protocol, "Protected Resource Metadata"."""
    servers = list(dict.fromkeys(each.name for each in setup.issuers if each.is_authorization_server))
    return {
        "resource": setup.url,
        **({"authorization_servers": servers} if servers else {}),
        "authorization_details_types_supported": [DETAIL_TYPES[0]],
        "bearer_methods_supported": ["header"],
        **({"mercure_cookie": setup.cookie} if setup.origins else {}),
        "mercure_matcher_types_supported": ["exact", "urlpattern"],
        **({"mercure_subscriptions": True} if setup.subscriptions else {}),
    }
