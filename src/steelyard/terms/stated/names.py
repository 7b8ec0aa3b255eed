"""Names of contracts: `ETH-PERPETUAL`, `BTC-28JUN24`, `BTC-28JUN24-60000-C`."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Literal

import msgspec

from steelyard.quantities.errors import InputError

ContractKind = Literal["perpetual", "future", "option"]
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_NAME = re.compile(
    r"(?P<underlying>[A-Za-z0-9_.]+)-(?:(?P<perpetual>PERPETUAL)"
    r"|(?P<day>[1-9]|[12][0-9]|3[01])(?P<month>[A-Z]{3})(?P<year>[0-9]{2})"
    r"(?:-(?P<strike>[0-9]+(?:[.d][0-9]+)?)-(?P<right>[CP]))?)"
)


class Contract(msgspec.Struct, frozen=True):
    """What a name says: the underlying, the kind, and of dated ones the UTC day of the expiry.

    `day` is the ISO date, "" for a perpetual; `strike` is 0 and `strike_text` "" for what has none.
    """

    name: str
    underlying: str
    kind: ContractKind
    day: str = ""
    strike: float = 0.0
    strike_text: str = ""
    is_call: bool = False


@lru_cache(maxsize=65_536)
def parse_contract(name: str) -> Contract:
    """Return what the name of a contract says. Errors: STAT-E02.

    >>> parse_contract("XRP-7JAN26-0d625-P")
    Contract(name='XRP-7JAN26-0d625-P', underlying='XRP', kind='option', day='2026-01-07', \
strike=0.625, strike_text='0.625', is_call=False)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise _unreadable(name)
    underlying = match["underlying"]
    if match["perpetual"]:
        return Contract(name, underlying, "perpetual")
    try:
        day = date(
            2000 + int(match["year"]), MONTHS.index(match["month"]) + 1, int(match["day"])
        ).isoformat()
    except ValueError:
        raise _unreadable(name) from None
    if match["strike"] is None:
        return Contract(name, underlying, "future", day)
    text = strike_key(match["strike"])
    return Contract(name, underlying, "option", day, float(text), text, match["right"] == "C")


def strike_key(text: str) -> str:
    """Return a strike as the keys of an expiry's volatilities write it: `d` is the decimal point.

    >>> strike_key("0d625"), strike_key("1500.0"), strike_key("036999.990")
    ('0.625', '1500', '36999.99')
    """
    plain = text.replace("d", ".")
    whole, point, rest = plain.partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (f"{point}{rest}" if rest else "")


def _unreadable(name: str) -> InputError:
    return InputError(
        "STAT-E02",
        f"{name!r} is not the name of a contract",
        rule="names are like ETH-PERPETUAL, BTC-28JUN24, BTC-28JUN24-60000-C",
        cure="write the day without a leading zero, the month in three English capitals",
        field="instrument",
    )
