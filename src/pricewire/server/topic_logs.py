"""How far the logs of Pricewire's topics reach back."""

from __future__ import annotations

from pricewire.hub.log import LogLimits
from pricewire.protocol.free_topics import UPDATES
from pricewire.server.updates_topic import UPDATES_LOG

USUAL = LogLimits()

QUOTE_LOG = LogLimits(count=4, linger=0.0)
"""
Of a quote: it costs something with each tick, so it ends with its last stream. A log of 1,000 events is 2 MB for each of 2,000 quotes, and
the garbage collector goes through all of it.
"""

LIST_LOG = LogLimits(count=4)
"""Of a list of contracts: an event is the whole list, and the newest is all that anybody wants."""

ADMIN_LOG = LogLimits(count=4, linger=0.0)
"""Of what operators see: it is looked at every second only while somebody listens."""

LOGS = {
    "proposal": QUOTE_LOG,
    "contract_price": QUOTE_LOG,
    "open_contracts": LIST_LOG,
    "closed_contracts": LIST_LOG,
    "admin": ADMIN_LOG,
    UPDATES: UPDATES_LOG,
}
"""How far the logs of topics reach back, by their kinds; the others have the usual limits."""


def log_limits(name: str, usual: LogLimits = USUAL) -> LogLimits:
    """Return how far a topic's log reaches back."""
    return LOGS.get(name.partition(":")[0], usual)
