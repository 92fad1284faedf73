"""How long contracts last: the units, their bounds, and their short form, `5m` for instance. Pure."""

from __future__ import annotations

import re

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.trading_messages import DurationBounds, DurationUnit

UNIT_MS: dict[DurationUnit, int] = {"seconds": 1000, "minutes": 60_000, "hours": 3_600_000, "days": 86_400_000}
"""The units of time, in milliseconds; a tick is none."""

DURATIONS: dict[DurationUnit, DurationBounds] = {
    "ticks": DurationBounds(1, 10),
    "seconds": DurationBounds(15, 86_400),
    "minutes": DurationBounds(1, 1440),
    "hours": DurationBounds(1, 24),
    "days": DurationBounds(1, 365),
}
"""How many of each unit a contract may last."""

LETTERS: dict[str, DurationUnit] = {"t": "ticks", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

SHORT_FORM = re.compile(r"([1-9][0-9]{0,8})([tsmhd])")


def check_duration(duration: int, unit: DurationUnit) -> None:
    """
    Check how long a contract is to last.

    Raises:
        InvalidProposalError: no contract lasts so long, or so short.
    """
    allowed = DURATIONS[unit]
    if not allowed.min <= duration <= allowed.max:
        raise InvalidProposalError(f"duration {duration} is not {allowed.min} to {allowed.max} {unit}")


def parse_duration(text: str) -> tuple[int, DurationUnit]:
    """
    Read a duration with its unit, `5m` for instance.

    Raises:
        InvalidProposalError: it is not a number and one of the letters `d`, `h`, `m`, `s`, `t`.
    """
    match = SHORT_FORM.fullmatch(text)
    if match is None:
        raise InvalidProposalError(f"duration {quoted(text)} is not a number and a unit, d, h, m, s or t (ticks), as in '5m'")
    return int(match[1]), LETTERS[match[2]]
