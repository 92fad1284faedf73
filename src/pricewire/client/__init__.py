"""The client: event streams that reconnect, and prices as typed objects."""

from pricewire.client.callbacks import SSEConnection, create_sse_connection
from pricewire.client.connect import Wire, connect
from pricewire.client.event_source import EventSource
from pricewire.client.login import Login, log_in
from pricewire.client.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.client.subscription import Subscription
from pricewire.client.tokens import Credentials, Token
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
