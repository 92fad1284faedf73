"""
The client without `await`: the same names and the same behaviour, for scripts, threads and notebooks.

    pricewire.sync.connect               prices as typed objects
    pricewire.sync.log_in                tokens for it, from an account and its password
    pricewire.sync.EventSource           any event stream
    pricewire.sync.create_sse_connection the same with callbacks
"""

from pricewire.client.blocking.source import EventSource, SSEConnection, create_sse_connection
from pricewire.client.blocking.wire import Subscription, Wire, connect, log_in

__all__ = ["EventSource", "SSEConnection", "Subscription", "Wire", "connect", "create_sse_connection", "log_in"]
