"""The answer of a method to a case: equity, the two requirements, their parts, the venue's own numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

Number = float | Decimal | int


class Part(msgspec.Struct, frozen=True):
    """One named summand of the two requirements, in the answer's currency.

    `instrument` is set where a position causes it, `underlying` where it belongs to one; `note` says in
    one sentence how it came about. Over all parts, `initial` and `maintenance` sum to the requirements.
    """

    name: str
    initial: Number
    maintenance: Number
    instrument: str = ""
    underlying: str = ""
    note: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What a method says of an account; None where it says nothing (a question about one liquidation).

    Amounts are in `currency`; exact methods answer with `Decimal`, Vega with int. `native` holds the
    venue's own numbers under the names of its sheet.
    """

    currency: str | None = None
    equity: Number | None = None
    initial_requirement: Number | None = None
    maintenance_requirement: Number | None = None
    native: dict[str, Any] = {}
    parts: tuple[Part, ...] = ()
