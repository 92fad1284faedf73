"""Tells clients of OAuth what the hub is, by a document."""

from __future__ import annotations

from typing import Any

from pricewire.server.mercure.access_tokens import DETAIL_TYPES
from pricewire.server.mercure.configuration import MercureSetup

METADATA = "/.well-known/oauth-protected-resource"
"""Where the document is: the hub's own path follows. Source: RFC 9728, section 3.1."""


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
        "mercure_cookie": setup.cookie,
        "mercure_matcher_types_supported": ["exact", "urlpattern"],
        **({"mercure_subscriptions": True} if setup.subscriptions else {}),
    }
