"""The client: event streams that reconnect, and prices as typed objects."""

from pricewire.client.callbacks import SSEConnection, create_sse_connection
from pricewire.client.connect import Wire, connect
from pricewire.client.event_source import EventSource
from pricewire.client.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.client.subscription import Subscription

__all__ = [
    "ConnectionState",
    "EventSource",
    "ReadyState",
    "ReconnectPolicy",
    "SSEConnection",
    "State",
    "Subscription",
    "Wire",
    "connect",
    "create_sse_connection",
]
