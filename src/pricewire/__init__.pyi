"""What type checkers and editors read in place of `__init__.py`, which imports nothing before it is used."""

from pricewire import sync
from pricewire.client.api.login import Login, log_in
from pricewire.client.api.tokens import Credentials, Token
from pricewire.client.callbacks import SSEConnection, create_sse_connection
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.client.topics.subscription import Subscription
from pricewire.client.wire import Wire, connect
from pricewire.errors import (
    BufferOverflowError,
    CallbackError,
    ClientError,
    ConnectError,
    ContentTypeError,
    DecodeError,
    EventTooLargeError,
    FeedError,
    HTTPStatusError,
    InvalidTopicError,
    MissingExtraError,
    PricewireError,
    ProtocolError,
    ReconnectExhausted,
    StreamError,
    TokenError,
    TradeUncertainError,
    UnknownInstrumentError,
)
from pricewire.hub.event import Event, Named, envelope, plain
from pricewire.hub.event import Format as Form
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.protocol.accounting_messages import ClosedContractsPage, DayResult, ProfitAndLossBody, StatementBody, StatementEntry
from pricewire.protocol.decoder import ServerSentEvent
from pricewire.protocol.messages import Candle, Envelope, Instrument, InstrumentPrice, Tick
from pricewire.protocol.topics import ProposalTopic
from pricewire.protocol.trading_messages import BalanceBody, ContractBody, ContractDetails, ContractsBody, ProposalBody, Purchased, Sold
from pricewire.server.mount import StreamRequest, everyone, streams
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.serve import run

__all__ = [
    "BalanceBody",
    "BufferOverflowError",
    "CallbackError",
    "Candle",
    "ClientError",
    "ClosedContractsPage",
    "ConnectError",
    "ConnectionState",
    "ContentTypeError",
    "ContractBody",
    "ContractDetails",
    "ContractsBody",
    "Credentials",
    "DayResult",
    "DecodeError",
    "Envelope",
    "Event",
    "EventSource",
    "EventStream",
    "EventTooLargeError",
    "FeedError",
    "FlushPolicy",
    "Form",
    "HTTPStatusError",
    "Hub",
    "Instrument",
    "InstrumentPrice",
    "InvalidTopicError",
    "LogLimits",
    "Login",
    "MissingExtraError",
    "Named",
    "PricewireError",
    "ProfitAndLossBody",
    "ProposalBody",
    "ProposalTopic",
    "ProtocolError",
    "Purchased",
    "ReadyState",
    "ReconnectExhausted",
    "ReconnectPolicy",
    "SSEConnection",
    "ServerSentEvent",
    "Sold",
    "State",
    "StatementBody",
    "StatementEntry",
    "StreamError",
    "StreamRequest",
    "Subscription",
    "Tick",
    "Token",
    "TokenError",
    "TradeUncertainError",
    "UnknownInstrumentError",
    "Wire",
    "connect",
    "create_sse_connection",
    "envelope",
    "everyone",
    "log_in",
    "plain",
    "run",
    "streams",
    "sync",
]
