"""The client: event streams that reconnect, and prices as typed objects."""

from pricewire.client.api.login import Login, log_in
from pricewire.client.api.tokens import Credentials, Token
from pricewire.client.callbacks import SSEConnection, create_sse_connection
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.client.topics.subscription import Subscription
from pricewire.client.wire import Wire, connect
from pricewire.errors import TokenError

__all__ = [
    "ConnectionState",
    "Credentials",
    "EventSource",
    "Login",
    "ReadyState",
    "ReconnectPolicy",
    "SSEConnection",
    "State",
    "Subscription",
    "Token",
    "TokenError",
    "Wire",
    "connect",
    "create_sse_connection",
    "log_in",
]
