"""The subjects of NATS on which gateways and the server behind them talk; frames have others, which are kept."""

from __future__ import annotations

CALL_S = 10.0
"""How long a gateway waits for an answer, in seconds: longer than a purchase takes on a busy database."""

SYNC_S = 5.0
"""How often a gateway says which streams it holds, in seconds."""

SILENCE_S = 4 * SYNC_S
"""After so many seconds without a word a gateway's streams count as ended."""


def calls(stream: str) -> str:
    """Return the subject of calls, for the bus whose frames are in a stream of JetStream."""
    return f"{stream}_calls"


def reports(stream: str) -> str:
    """Return the subject on which gateways tell of their streams."""
    return f"{stream}_reports"


def commands(stream: str, gateway: str) -> str:
    """Return the subject on which a gateway is told what is to become of its streams."""
    return f"{stream}_gateway.{gateway}"


def questions(stream: str) -> str:
    """Return the subject on which trading asks the market what it needs of it."""
    return f"{stream}_market"


def joins(stream: str) -> str:
    """Return the subject on which processes with trading say that they are there to share it."""
    return f"{stream}_joins"


def leaves(stream: str) -> str:
    """Return the subject on which such a process says, by its name, that it ends."""
    return f"{stream}_leaves"


def refusals(stream: str) -> str:
    """Return the subject on which such processes tell each other which purchases they have refused."""
    return f"{stream}_refusals"


def desk_calls(stream: str, process: str) -> str:
    """Return the subject of calls that only a process with a share of the accounts can answer."""
    return f"{stream}_desk.{process}.calls"


def desk_topics(stream: str, process: str) -> str:
    """Return the subject on which such a process is told which topics of its accounts have streams."""
    return f"{stream}_desk.{process}.topics"
