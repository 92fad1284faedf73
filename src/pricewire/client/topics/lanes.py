"""Lanes: finding messages that supersede each other by how they begin, without parsing them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from pricewire.client.topics.conflation import SINGLE, Lane
from pricewire.protocol.decoder import ServerSentEvent

DATA = ',"data":'
"""What follows the number of an envelope, unless it stands for others."""

DIGITS = "0123456789"

BEGINNING = re.compile(r'\{"event":"(?P<event>[a-z_]+)","subscription_id":"(?P<topic>[^"\\]+)","seq":')
"""How an envelope begins, as Pricewire writes it."""

MAX_LANES = 10_000
"""How many lanes are remembered: a server could send topics without end."""


class Lanes:
    """Tells the lanes of a stream's messages."""

    def __init__(self) -> None:
        # By how their messages begin, up to the number.
        self._known: dict[str, Lane] = {}

    def run(self, events: Sequence[ServerSentEvent], start: int) -> list[tuple[Lane, str]]:
        """
        Return the events from a place on that have a lane, up to the first without one, which has to be looked at.

        Args:
            events: what has arrived, oldest first.
            start: the place of the first.
        """
        known = self._known
        run = []
        for event in islice(events, start, None):
            text = event.data
            beginning = text[: text.find(DATA)].rstrip(DIGITS)
            lane = known.get(beginning) or self._look(beginning)
            if lane is None or event.type != "message":
                break
            run.append((lane, text))
        return run

    def _look(self, beginning: str) -> Lane | None:
        match = BEGINNING.fullmatch(beginning)
        if match is None or match["event"] not in SINGLE:
            return None
        if len(self._known) >= MAX_LANES:
            self._known.clear()
        lane = self._known[beginning] = Lane(match["event"], match["topic"])
        return lane
