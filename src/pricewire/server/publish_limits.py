"""What `POST /v1/publish` takes; gateways know it, too."""

from __future__ import annotations

PUBLISH_PATH = "/v1/publish"
"""Where messages are published."""

MAX_BODY = 1024 * 1024
"""How long the body of a request may be, in bytes."""

MAX_DATA = 256 * 1024
"""How long the data of one event may be, in bytes: some of them fit into a frame of the bus."""
