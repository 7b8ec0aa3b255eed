"""A case: one book in one market with one question to one method."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from steelyard.terms.stated.book import Account
from steelyard.terms.stated.market import Market

N = TypeVar("N", float, Decimal)


class Trade(msgspec.Struct, Generic[N], frozen=True):
    """A fill: signed quantity and price."""

    quantity: N
    price: N


class Case(msgspec.Struct, Generic[N], frozen=True):
    """What a line of a case file holds; keys it does not know are left alone.

    The tables `auction` to `disposal` and `trades` are further questions of single methods, kept as
    they were written: the method that is asked reads them.
    """

    case: str | int
    method: str
    parameters: dict[str, Any] = {}
    market: Market[N] = Market()
    account: Account[N] = Account()
    auction: msgspec.Raw = msgspec.Raw(b"null")
    liquidation: msgspec.Raw = msgspec.Raw(b"null")
    liquidation_price: msgspec.Raw = msgspec.Raw(b"null")
    bankruptcy: msgspec.Raw = msgspec.Raw(b"null")
    socialise: msgspec.Raw = msgspec.Raw(b"null")
    disposal: msgspec.Raw = msgspec.Raw(b"null")
    trades: tuple[Trade[N], ...] | None = None
    position_before: N | None = None
