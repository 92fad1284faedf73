"""Compares everything that is known after a kill test: the journal, the database, what was answered, and what the exchange made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from soak.kill.books import Books, Row, wrong_books
from soak.kill.exchange import LISTINGS, Made
from soak.kill.outcomes import Recorded, wrong_ends
from soak.kill.traders import SIMULATED, Heard

DECIMALS = {"USD": 2, "EUR": 2, "JPY": 0, "BTC": 8}


def wrong(
    books: Books, journal: Mapping[str, Recorded], heard: Heard, made: Mapping[str, Sequence[Made]], interval_ms: Mapping[str, int]
) -> Iterator[str]:
    """
    Yield in words all that is wrong.

    Args:
        books: the database at the end.
        journal: the journal at the end.
        heard: what the server has said.
        made: the ticks that the exchange made.
        interval_ms: the time between two ticks of each simulated instrument, in milliseconds.
    """
    yield from wrong_books(books)
    yield from wrong_ends(books.contracts, journal)
    yield from wrong_answers(books, heard)
    yield from wrong_ticks(journal, heard, made, interval_ms)


def wrong_answers(books: Books, heard: Heard) -> Iterator[str]:
    """Yield what was answered or published and is not so, and what was bought though it was not answered."""
    contracts = {contract["contract_id"]: contract for contract in books.contracts}
    bought = {row["key"]: row["contract_id"] for row in books.idempotency_keys}
    for key, answer in heard.bought.items():
        contract = contracts.get(bought.get(key, ""))
        if contract is None or contract["contract_id"] != answer["contract_id"]:
            yield f"the purchase {key} was answered, and is not there: {answer}"
            continue
        details = answer["contract_details"]
        answered = (answer["buy_time"], units(answer["buy_price"], contract), units(details["potential_payout"], contract))
        if answered != (contract["buy_time"], contract["stake"], contract["payout"]):
            yield f"the purchase {key} was answered otherwise than it was made: {answer} instead of {contract}"
    yield from (f"the purchase {key} was refused with {code}, and was made" for key, code in heard.refused.items() if key in bought)
    yield from (f"the purchase {key} was made, and nobody was told" for key in bought.keys() - heard.bought.keys() - heard.refused.keys())
    for contract_id, answer in heard.sold.items():
        yield from wrong_end(contracts[contract_id], "sold", answer["sell_price"])
    for contract_id, (status, proceeds) in heard.ends.items():
        yield from wrong_end(contracts[contract_id], status, proceeds)


def wrong_end(contract: Row, status: str, proceeds: str) -> Iterator[str]:
    """Yield what is wrong with the end of a contract that somebody was told."""
    if (contract["status"], contract["proceeds"]) != (status, units(proceeds, contract)):
        yield f"{contract['contract_id']} was said to be {status} for {proceeds}: {contract}"


def units(text: str, contract: Row) -> int:
    """Return an amount of a contract in its currency's smallest unit."""
    return int(Decimal(text).scaleb(DECIMALS[contract["currency"]]))


def wrong_ticks(
    journal: Mapping[str, Recorded], heard: Heard, made: Mapping[str, Sequence[Made]], interval_ms: Mapping[str, int]
) -> Iterator[str]:
    """Yield what was published and is not in the journal, and what the journal has more, less or in another order than the source."""
    recorded = {
        (name, str(tick.epoch_ms), *(shown(pips, each.pip_size) for pips in tick[1:]))
        for name, each in journal.items()
        for tick in each.ticks
    }
    strange = sorted(heard.ticks - recorded)
    for name in SIMULATED:
        # Who comes before the first tick of the very first server has the newest of the market's past.
        past = [tick for tick in strange if tick[0] == name and int(tick[1]) < journal[name].ticks[0].epoch_ms]
        if past:
            strange.remove(past[-1])
    yield from (f"the tick {tick} was published, and is not in the journal" for tick in strange)
    for listing in LISTINGS:
        source = list(made[listing.name])
        own = [Made(*tick) for tick in journal[listing.name].ticks]
        if listing.is_remembered:
            first = source.index(own[0])
            if source[first : first + len(own)] != own:
                yield f"{listing.name}: the journal has other ticks than the exchange has made"
        else:
            rest = iter(source)
            if not all(tick in rest for tick in own):
                yield f"{listing.name}: the journal has ticks that the exchange has not made, or in another order"
    for name in SIMULATED:
        times = [tick.epoch_ms for tick in journal[name].ticks]
        apart = {after - before for before, after in pairwise(times)}
        if apart != {interval_ms[name]}:
            yield f"{name}: the ticks of the journal are {sorted(apart)} ms apart instead of {interval_ms[name]}"


def shown(pips: int, pip_size: int) -> str:
    """Return a price as it is published."""
    return f"{Decimal(pips).scaleb(-pip_size):f}"
