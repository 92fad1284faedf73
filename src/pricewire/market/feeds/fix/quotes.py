"""Makes quotes of FIX messages: keeps the best prices of each symbol, as snapshots and what changes of them say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from pricewire.errors import TickRejectedError
from pricewire.market.feed import EARLIEST_MS, LATEST_MS
from pricewire.market.feeds.mapping import Quote, number_of
from pricewire.market.feeds.paths import clipped

SEPARATOR = "\x01"

MOST = 1000
"""How many prices of a side are kept."""

DAY_MS = 86_400_000

# Tags of fields.
KIND, SENT, FIRST_SENT, SYMBOL, TEXT, REQUEST = "35", "52", "122", "55", "58", "262"
COUNT, ACTION, SIDE, ENTRY, REFERENCE, PRICE, DATE, TIME = "268", "279", "269", "278", "280", "270", "272", "273"
PLACES = ("290", "1023")
TRAILER = ("10", "89", "93")

SNAPSHOT, REFRESH = "W", "X"
FIRST = {SNAPSHOT: SIDE, REFRESH: ACTION}
"""The field that an entry begins with."""

BID, OFFER, EMPTY = "0", "1", "J"
NEW, CHANGE, DELETE = "0", "1", "2"

REFUSED = "Y"
REFUSALS = (REFUSED, "3", "j")
"""Messages that say no: to a request for prices, or to any message."""

MOMENT = re.compile(r"([0-9]{8})-(.+)")
CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]{1,12}))?")

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class FixMessage:
    """
    A message.

    Attributes:
        fields: those that are in no entry, by their tags.
        entries: the fields of each entry.
    """

    fields: Fields
    entries: list[Fields]


@dataclass(frozen=True, slots=True)
class Foreign:
    """
    A price of a symbol that was not asked for.

    Attributes:
        symbol: which.
    """

    symbol: str


@dataclass(slots=True)
class Book:
    """
    The prices of a symbol.

    Attributes:
        prices: of each side, by the entry's id or place; by "" where it has neither, as the best price alone.
    """

    prices: dict[str, dict[str, Decimal]] = field(default_factory=lambda: {BID: {}, OFFER: {}})

    @property
    def best(self) -> tuple[Decimal | None, Decimal | None]:
        """The highest bid and the lowest offer."""
        return max(self.prices[BID].values(), default=None), min(self.prices[OFFER].values(), default=None)


@dataclass(slots=True)
class Change:
    """
    What a message does to a symbol.

    Attributes:
        before: the best prices before it.
        times: of its entries, in milliseconds since 1970.
        sent: the prices that it has, with their sides.
        placeless: the sides that it has a price of with neither id nor place.
        is_wrong: whether one of its entries cannot be used.
    """

    before: tuple[Decimal | None, Decimal | None]
    times: list[int] = field(default_factory=list)
    sent: set[tuple[str, Decimal]] = field(default_factory=set)
    placeless: set[str] = field(default_factory=set)
    is_wrong: bool = False


class FixQuotes:
    """
    The way from messages to quotes.

    Attributes:
        refused: the symbols that the venue brings no prices of.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        """
        Begin without prices.

        Args:
            symbols: that are asked for, in the order of the requests.
        """
        self._symbols = list(symbols)
        self._books: dict[str, Book] = {}
        self.refused: set[str] = set()
        self.clear()

    def clear(self) -> None:
        """Forget the prices, as after the connection was lost or messages were skipped."""
        self._books = {symbol: Book() for symbol in self._symbols}
        self.refused = set()

    def take(self, message: FixMessage) -> Iterator[Quote | Foreign | TickRejectedError]:
        """Take a message; yield a quote for each symbol whose best prices it has, and an error for what cannot be used."""
        kind = message.fields.get(KIND, "")
        if kind in REFUSALS:
            yield self._refusal(kind, message.fields)
        elif kind == SNAPSHOT:
            symbol = message.fields.get(SYMBOL, "")
            if symbol in self._books:
                self._books[symbol] = Book()
            yield from self._apply(message, [{SYMBOL: symbol, ACTION: NEW} | entry for entry in message.entries])
        elif kind == REFRESH:
            yield from self._apply(message, message.entries)

    def _refusal(self, kind: str, fields: Fields) -> TickRejectedError:
        number = fields.get(REQUEST, "").rpartition(".")[2]
        what = "a message"
        if kind == REFUSED:
            what = "a request"
            # The number of the symbol is part of the request's id.
            if number.isascii() and number.isdecimal() and len(number) < 10 and int(number) < len(self._symbols):
                symbol = self._symbols[int(number)]
                what = f"the request of {symbol}"
                self.refused.add(symbol)
        return TickRejectedError("refused", f"the venue refuses {what}: {clipped(fields.get(TEXT) or 'without a reason')}")

    def _apply(self, message: FixMessage, entries: Iterable[Fields]) -> Iterator[Quote | Foreign | TickRejectedError]:
        """Change the books by the entries of a message; yield what has come of it."""
        changes: dict[str, Change] = {}
        foreign: dict[str, Foreign] = {}
        symbol = ""
        try:
            sent_ms = sending_time(message.fields)
        except TickRejectedError as error:
            yield error
            return
        for entry in entries:
            # What names no symbol is of that of the entry that it changes, else of the one before.
            symbol = entry.get(SYMBOL) or self._owner(entry) or symbol
            book = self._books.get(symbol)
            if book is None:
                if symbol:
                    foreign.setdefault(symbol, Foreign(symbol))
                else:
                    yield TickRejectedError("path", "an entry has no Symbol (55)")
                continue
            change = changes.get(symbol) or changes.setdefault(symbol, Change(book.best))
            try:
                change_book(book, entry, change, sent_ms)
            except TickRejectedError as error:
                change.is_wrong = True
                yield error
        yield from foreign.values()
        for each, change in changes.items():
            bid, offer = self._books[each].best
            if change.is_wrong:
                continue
            if bid is None or offer is None:
                if message.fields[KIND] == SNAPSHOT:
                    yield TickRejectedError("side", f"the snapshot of {each} has no {'bid' if bid is None else 'offer'}")
            elif change.before != (bid, offer) or (BID, bid) in change.sent or (OFFER, offer) in change.sent:
                yield Quote(each, bid, offer, max(change.times, default=sent_ms), None)

    def _owner(self, entry: Fields) -> str | None:
        """Return the symbol whose entry this one changes; None where it does not say."""
        known = entry.get(REFERENCE) or entry.get(ENTRY)
        if known is None:
            return None
        return next((symbol for symbol, book in self._books.items() if any(known in prices for prices in book.prices.values())), None)


def change_book(book: Book, entry: Fields, change: Change, sent_ms: int) -> None:
    """
    Change the prices of a symbol by an entry.

    Args:
        book: the prices.
        entry: what changes.
        change: what the whole message does; this is added to it.
        sent_ms: when it was sent, in milliseconds since 1970.

    Raises:
        TickRejectedError: it cannot be used; the price that it was to change is forgotten.
    """
    action, reference = entry.get(ACTION), entry.get(REFERENCE)
    key = entry.get(ENTRY) or next((entry[place] for place in PLACES if place in entry), None) or reference or ""
    old = reference if action != NEW and reference else key
    side = entry.get(SIDE) or next((each for each in (BID, OFFER) if key and old in book.prices[each]), None)
    if side == EMPTY:
        book.prices[BID].clear()
        book.prices[OFFER].clear()
        return
    if side is None:
        raise TickRejectedError("path", "an entry has no MDEntryType (269)")
    prices = book.prices.get(side)
    if prices is None:
        # A trade, a volume, or anything else that is no price to trade at.
        return
    before = prices.pop(old, None)
    if action == DELETE:
        return
    if action not in (NEW, CHANGE):
        raise TickRejectedError("path", f"an entry has the MDUpdateAction (279) {clipped(repr(action))}")
    name = "bid" if side == BID else "offer"
    price = before if PRICE not in entry and action == CHANGE else number_of(entry.get(PRICE))
    if price is None or price <= 0:
        raise TickRejectedError("price", f"the {name} (270) is {clipped(repr(entry.get(PRICE)))}, which is not a positive number")
    if len(prices) >= MOST:
        raise TickRejectedError("size", f"there are more than {MOST} prices of a side: see MarketDepth")
    change.times.append(entry_time(entry, sent_ms))
    if not key and before is not None and side in change.placeless:
        # Several of which each could be the best.
        price = max(price, before) if side == BID else min(price, before)
    if not key:
        change.placeless.add(side)
    prices[key] = price
    change.sent.add((side, price))


def parse(text: str) -> FixMessage:
    """Return the fields of a message, those of entries apart."""
    fields: Fields = {}
    entries: list[Fields] = []
    for part in text.split(SEPARATOR):
        tag, equals, value = part.partition("=")
        if not equals:
            continue
        if COUNT in fields and tag == FIRST.get(fields.get(KIND, "")):
            entries.append({})
        if entries and tag not in TRAILER:
            entries[-1][tag] = value
        else:
            fields[tag] = value
    return FixMessage(fields, entries)


def sending_time(fields: Fields) -> int:
    """
    Return when a message was sent first, in milliseconds since 1970.

    Raises:
        TickRejectedError: it does not say.
    """
    text = fields.get(FIRST_SENT) or fields.get(SENT, "")
    match = MOMENT.fullmatch(text)
    if match is None:
        raise TickRejectedError("time", f"SendingTime (52) is {clipped(repr(text))}, which is no time")
    return checked(day_ms(match[1]) + clock_ms(match[2]), text)


def entry_time(entry: Fields, sent_ms: int) -> int:
    """
    Return the time of an entry, in milliseconds since 1970; that of its message where it has none.

    Raises:
        TickRejectedError: it has one that is none.
    """
    date, time = entry.get(DATE), entry.get(TIME)
    if not time:
        return sent_ms
    of_day = clock_ms(time)
    if date:
        return checked(day_ms(date) + of_day, f"{date}-{time}")
    # A time just before midnight may be sent just after it.
    today = sent_ms // DAY_MS * DAY_MS
    return min((today + days * DAY_MS + of_day for days in (-1, 0, 1)), key=lambda each: abs(each - sent_ms))


def day_ms(text: str) -> int:
    """
    Return the beginning of a day, in milliseconds since 1970.

    Raises:
        TickRejectedError: it is none.
    """
    try:
        if len(text) != 8 or not text.isascii() or not text.isdecimal():
            raise ValueError
        return int(datetime(int(text[:4]), int(text[4:6]), int(text[6:]), tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        raise TickRejectedError("time", f"{clipped(repr(text))} is no day like 20260131") from None


def clock_ms(text: str) -> int:
    """
    Return a time of day, in milliseconds since midnight.

    Raises:
        TickRejectedError: it is none.
    """
    match = CLOCK.fullmatch(text)
    if match is None:
        raise TickRejectedError("time", f"{clipped(repr(text))} is no time like 09:30:00.123")
    hours, minutes, seconds, fraction = match.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(f"{fraction or ''}000"[:3])


def checked(epoch_ms: int, text: str) -> int:
    """
    Return a time that a tick may have.

    Raises:
        TickRejectedError: it is before 1973 or after 5138.
    """
    if not EARLIEST_MS <= epoch_ms < LATEST_MS:
        raise TickRejectedError("time", f"{clipped(repr(text))} is before 1973 or after 5138")
    return epoch_ms
