"""The feed of Redis: a stream, which is read on where reading stopped, or a channel of pub/sub."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.clock import Clock
from pricewire.market.feeds.address import FeedAddress
from pricewire.market.feeds.message_feed import MessageFeed, tls_context
from pricewire.market.feeds.options import FeedOptions
from pricewire.market.feeds.reader import Message, received

ANSWER_S = 10.0
"""How long the server may take to connect or to answer, in seconds."""

BLOCK_S = 5.0
"""How long the server waits for the next entry before it says that there is none, in seconds."""

ENTRIES = 256
"""How many entries are read at a time."""
