"""Compares what readers got, what was published, and what is in the journals and the database. Pure."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from typing import Any

from soak.chaos.published import Item, Publications
from soak.chaos.readers import Received, Start
from soak.kill.audit import DECIMALS, shown
from soak.kill.books import Books
from soak.kill.outcomes import JournalTick, Recorded

LOG_S = 300.0
"""How far a topic's log reaches back, in seconds."""

LOG_COUNT = 1000
"""How many events a topic's log holds."""

MARGIN_S = 5.0
"""By how much the times of two processes may differ, in seconds: an event is stored before it is in a log, and later than it was made."""


def wrong_stream(publications: Publications) -> Iterator[str]:
    """Yield what is wrong with what was published, whoever got it: numbers, and the times of prices."""
    yield from publications.wrong
    for topic, items in publications.events.items():
        forgotten = publications.forgotten.get(topic, [])
        for before, after in pairwise(items):
            begins_anew = any(before.position < position < after.position for position in forgotten)
            if after.seq != (1 if begins_anew else before.seq + 1):
                yield f"{topic}: event {after.seq} was published after {before.seq}"
            if topic.startswith("ticks:") and epoch_ms(after) <= epoch_ms(before):
                yield f"{topic}: the tick of {epoch_ms(after)} was published after that of {epoch_ms(before)}"


def epoch_ms(item: Item) -> int:
    """Return the time of a tick, in milliseconds since 1970."""
    return int(json.loads(item.json)["epoch_ms"])


class Followed:
    """
    One reader, followed through its connections.

    Args:
        received: what it got.
        publications: what there was.
    """

    def __init__(self, received: Received, publications: Publications) -> None:
        self._received = received
        self._publications = publications
        self._items = [{(item.seq, item.check): item for item in publications.events.get(topic, [])} for topic in received.topics]
        # The number of each topic's newest event; and topics whose current values are several, so that the first update may leave some out.
        self._seqs: dict[int, int] = {}
        self._loose: set[int] = set()
        self._positions: dict[tuple[int, str | None], int] = {}

    def wrong(self) -> Iterator[str]:
        """Yield what it got and should not have, or did not get, and every reset without a reason."""
        received = self._received
        yield from received.wrong
        if received.boot != self._publications.boot:
            yield f"{received.name}: ids begin with {received.boot!r} instead of {self._publications.boot!r}"
        ends = [*(start.place for start in received.starts[1:]), len(received.seqs)]
        for start, end in zip(received.starts, ends, strict=True):
            if start.kind not in (("resumed", "reset") if start.position else ("snapshot",)):
                yield f"{received.name}: a connection began with {start.kind} after position {start.position}"
            elif start.kind == "resumed":
                yield from self._updates(start.place, end, start.position)
            else:
                if start.kind == "reset":
                    yield from self._wrong_reset(start)
                place = start.place
                while place < end and received.positions[place] == start.position:
                    place += 1
                # Of the current values only the last one has an id.
                yield from self._values(start.place, min(place + 1, end))
                if place < end:
                    yield from self._missing_values(received.positions[place])
                    yield from self._updates(place + 1, end, received.positions[place])

    def _values(self, place: int, end: int) -> Iterator[str]:
        """Follow the current values that a connection begins with."""
        self._seqs = {}
        self._loose = {number for number, topic in enumerate(self._received.topics) if topic.startswith("contracts:")}
        for at in range(place, end):
            item = self._item(at)
            if item is None:
                yield self._unknown(at)
                continue
            yield from self._going_back(at, item, may_repeat=True)
            self._seqs[self._received.which[at]] = item.seq

    def _missing_values(self, position: int) -> Iterator[str]:
        """Yield the topics without a current value among those up to a position, though they have one."""
        for number, topic in enumerate(self._received.topics):
            forgotten = max(self._publications.forgotten.get(topic, []), default=0)
            items = self._publications.events.get(topic, [])
            if number not in self._seqs and number not in self._loose and any(forgotten < item.position <= position for item in items[:1]):
                yield f"{self._received.name}: a connection began at {position} without a value of {topic}"

    def _updates(self, place: int, end: int, position: int) -> Iterator[str]:
        """Follow what came after a position."""
        received = self._received
        for at in range(place, end):
            item, topic = self._item(at), received.which[at]
            if item is None:
                yield self._unknown(at)
                continue
            if received.positions[at] != item.position:
                yield f"{self._what(at)} came with the position {received.positions[at]} instead of {item.position}"
            if item.position <= position:
                yield f"{self._what(at)} came again, or late: {item.position} after {position}"
            yield from self._going_back(at, item, may_repeat=False)
            before, merged = self._seqs.get(topic), received.merged[at]
            if before is not None and topic not in self._loose and item.seq - merged != before + 1:
                yield f"{self._what(at)} came after {before}, with {merged} merged"
            if merged and item.key is None:
                yield f"{self._what(at)} took the place of {merged} others"
            self._seqs[topic] = item.seq
            self._loose.discard(topic)
            position = item.position

    def _going_back(self, at: int, item: Item, *, may_repeat: bool) -> Iterator[str]:
        """Yield whether there was a newer event of its key before."""
        place = self._received.which[at], item.key
        before = self._positions.get(place, -1)
        if item.position < before or (item.position == before and not may_repeat):
            yield f"{self._what(at)} came after what is newer: {item.position} after {before}"
        self._positions[place] = max(before, item.position)

    def _wrong_reset(self, start: Start) -> Iterator[str]:
        """Yield a connection that began anew though everything after its position was still there."""
        for topic in self._received.topics:
            items = self._publications.events.get(topic, [])
            missed = items[bisect_right(items, start.position, key=attrgetter("position")) :]
            if len(missed) > LOG_COUNT or (missed and missed[0].at < start.at - LOG_S + MARGIN_S):
                return
            if any(position > start.position for position in self._publications.forgotten.get(topic, [])):
                return
        yield f"{self._received.name}: a connection began anew after position {start.position}, and nothing of it was too old"

    def _item(self, at: int) -> Item | None:
        received = self._received
        return self._items[received.which[at]].get((received.seqs[at], received.checks[at]))

    def _unknown(self, at: int) -> str:
        """Return in words that an event is not in the stream, and what there is in its place."""
        topic, seq, position = self._received.topics[self._received.which[at]], self._received.seqs[at], self._received.positions[at]
        items = self._publications.events.get(topic, [])
        same = [f"{item.seq} at {item.position}" for item in items if item.seq == seq or item.position == position]
        newest = items[-1].seq if items else 0
        return (
            f"{self._what(at)} came at {position}, and was not published so: there is {', '.join(same) or 'no such event'}, up to {newest}"
        )

    def _what(self, at: int) -> str:
        received = self._received
        return f"{received.name}: {received.topics[received.which[at]]} {received.seqs[at]}"


def wrong_accounts(books: Books, publications: Publications) -> Iterator[str]:
    """Yield what was published of accounts and is not in the database, or the other way round; each once, and in order."""
    contracts = {contract["contract_id"]: contract for contract in books.contracts}
    for account in books.accounts:
        told: defaultdict[str, list[str]] = defaultdict(list)
        for item in publications.events.get(f"contracts:{account['uuid']}", []):
            if item.name != "contract_updated":
                told[json.loads(item.json)["contract_id"]].append(item.name)
        yield from (f"{contract_id} was published, and is not in the database" for contract_id in told.keys() - contracts.keys())
        for contract_id, contract in contracts.items():
            if contract["account_uuid"] != account["uuid"]:
                continue
            end = {"open": [], "sold": ["contract_sold"]}.get(contract["status"], ["contract_settled"])
            if told[contract_id] != ["contract_opened", *end]:
                yield f"{contract_id} is {contract['status']}, and was published as {told[contract_id]}"
        moves = [row["balance"] for row in sorted(books.transactions, key=lambda row: int(row["number"])) if belongs(row, account)]
        yield from wrong_balances(account, moves, publications.events.get(f"balance:{account['uuid']}", []))


def belongs(row: Mapping[str, Any], account: Mapping[str, Any]) -> bool:
    """Return whether a transaction is of an account."""
    return bool(row["account_uuid"] == account["uuid"])


def wrong_balances(account: Mapping[str, Any], moves: Sequence[int], items: Sequence[Item]) -> Iterator[str]:
    """
    Yield balances that an account never had, or had before those that were published earlier.

    Args:
        account: its row in the database.
        moves: its balance after each of its transactions, oldest first, in the currency's smallest unit.
        items: what was published.
    """
    decimals = DECIMALS[account["currency"]]
    told = [int(Decimal(json.loads(item.json)["balance"]).scaleb(decimals)) for item in items]
    place = 0
    for before, balance in zip([None, *told], told, strict=False):
        try:
            place = moves.index(balance, place) + 1
        except ValueError:
            rest = moves[max(0, place - 1) : place + 4]
            yield f"{account['id']}: a balance of {balance} was published after {before}; from there on it had {rest}"
    if told and told[-1] != account["balance"]:
        yield f"{account['id']} has {account['balance']}, and was last said to have {told[-1]}"


def united(journals: Sequence[Mapping[str, Recorded]]) -> tuple[dict[str, Recorded], list[str]]:
    """Return the ticks of several journals together, and in words where they do not agree."""
    found: dict[str, Recorded] = {}
    wrong = []
    for name in {name for journal in journals for name in journal}:
        present = [journal[name] for journal in journals if name in journal]
        ticks: dict[int, JournalTick] = {}
        every = [tick for recorded in present for tick in recorded.ticks]
        other = [tick for tick in every if ticks.setdefault(tick.epoch_ms, tick) != tick]
        wrong += [f"{name}: one journal has {tick}, another one {ticks[tick.epoch_ms]}" for tick in other]
        found[name] = Recorded(present[0].pip_size, [ticks[epoch_ms] for epoch_ms in sorted(ticks)])
    return found, wrong


def wrong_ticks(journal: Mapping[str, Recorded], publications: Publications, interval_ms: Mapping[str, int]) -> Iterator[str]:
    """Yield what was published and is not in the journal, and ticks that the journal lacks."""
    for name, recorded in journal.items():
        apart = {after.epoch_ms - before.epoch_ms for before, after in pairwise(recorded.ticks)}
        if apart - {interval_ms[name]}:
            yield f"{name}: the ticks of the journal are {sorted(apart)} ms apart instead of {interval_ms[name]}"
        known = {tick.epoch_ms: shown(tick.price, recorded.pip_size) for tick in recorded.ticks}
        for item in publications.events.get(f"ticks:{name}", []):
            body = json.loads(item.json)
            if item.seq == 1 and int(body["epoch_ms"]) < recorded.ticks[0].epoch_ms:
                # From before the first start: the current value of the feed's history.
                continue
            if known.get(int(body["epoch_ms"])) != body["price"]:
                yield f"the tick {body} was published, and is not in the journal"
