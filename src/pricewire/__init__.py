"""
Live trading data streamed over Server-Sent Events: the server and the Python client.

    pricewire.connect               prices as typed objects, over a connection that reconnects by itself
    pricewire.log_in                tokens for it, from an account and its password
    pricewire.EventSource           any event stream
    pricewire.create_sse_connection the same with callbacks
    pricewire.sync                  all of these without `await`

    pricewire.Hub                   publishes messages to streams
    pricewire.streams               an ASGI application with its streams, on which the clients work in full
    pricewire.EventStream           the response that streams some topics, for a route of one's own
    pricewire.run                   serves such an application, without a task for each stream

Each name is imported when it is first used, so that a program loads only what it needs, and runs without the packages of the rest.
"""

from __future__ import annotations

import importlib

from pricewire.extras import missing_extra

HOMES = {
    "BalanceBody": "pricewire.protocol.trading_messages",
    "BufferOverflowError": "pricewire.errors",
    "CallbackError": "pricewire.errors",
    "Candle": "pricewire.protocol.messages",
    "ClientError": "pricewire.errors",
    "ClosedContractsPage": "pricewire.protocol.accounting_messages",
    "ConnectError": "pricewire.errors",
    "ConnectionState": "pricewire.client.stream.reconnect",
    "ContentTypeError": "pricewire.errors",
    "ContractBody": "pricewire.protocol.trading_messages",
    "ContractDetails": "pricewire.protocol.trading_messages",
    "ContractsBody": "pricewire.protocol.trading_messages",
    "Credentials": "pricewire.client.api.tokens",
    "DayResult": "pricewire.protocol.accounting_messages",
    "DecodeError": "pricewire.errors",
    "Envelope": "pricewire.protocol.messages",
    "Event": "pricewire.hub.event",
    "EventSource": "pricewire.client.stream.event_source",
    "EventStream": "pricewire.server.transport.event_stream",
    "EventTooLargeError": "pricewire.errors",
    "FeedError": "pricewire.errors",
    "FlushPolicy": "pricewire.hub.flush_pace",
    "Form": "pricewire.hub.event:Format",
    "HTTPStatusError": "pricewire.errors",
    "Hub": "pricewire.hub.hub",
    "Instrument": "pricewire.protocol.messages",
    "InstrumentPrice": "pricewire.protocol.messages",
    "InvalidTopicError": "pricewire.errors",
    "LogLimits": "pricewire.hub.log",
    "Login": "pricewire.client.api.login",
    "MissingExtraError": "pricewire.errors",
    "Named": "pricewire.hub.event",
    "PricewireError": "pricewire.errors",
    "ProfitAndLossBody": "pricewire.protocol.accounting_messages",
    "ProposalBody": "pricewire.protocol.trading_messages",
    "ProposalTopic": "pricewire.protocol.topics",
    "ProtocolError": "pricewire.errors",
    "Purchased": "pricewire.protocol.trading_messages",
    "ReadyState": "pricewire.client.stream.reconnect",
    "ReconnectExhausted": "pricewire.errors",
    "ReconnectPolicy": "pricewire.client.stream.reconnect",
    "SSEConnection": "pricewire.client.callbacks",
    "ServerSentEvent": "pricewire.protocol.decoder",
    "Sold": "pricewire.protocol.trading_messages",
    "State": "pricewire.client.stream.reconnect",
    "StatementBody": "pricewire.protocol.accounting_messages",
    "StatementEntry": "pricewire.protocol.accounting_messages",
    "StreamError": "pricewire.errors",
    "StreamRequest": "pricewire.server.mount",
    "Subscription": "pricewire.client.topics.subscription",
    "Tick": "pricewire.protocol.messages",
    "Token": "pricewire.client.api.tokens",
    "TokenError": "pricewire.errors",
    "TradeUncertainError": "pricewire.errors",
    "UnknownInstrumentError": "pricewire.errors",
    "Wire": "pricewire.client.wire",
    "connect": "pricewire.client.wire",
    "create_sse_connection": "pricewire.client.callbacks",
    "envelope": "pricewire.hub.event",
    "everyone": "pricewire.server.mount",
    "log_in": "pricewire.client.api.login",
    "plain": "pricewire.hub.event",
    "run": "pricewire.server.transport.serve",
    "streams": "pricewire.server.mount",
}
"""Where each public name comes from: its module, and its name there if it has another one."""

__all__ = [*HOMES, "sync"]


def __getattr__(name: str) -> object:
    """Import a public name."""
    if name == "sync":
        return importlib.import_module("pricewire.sync")
    if name not in HOMES:
        raise AttributeError(f"module 'pricewire' has no attribute {name!r}")
    module, _, attribute = HOMES[name].partition(":")
    try:
        found: object = getattr(importlib.import_module(module), attribute or name)
    except ImportError as error:
        raise missing_extra(error, f"pricewire.{name}") from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Name what there is, imported or not."""
    return sorted({*globals(), *__all__})
