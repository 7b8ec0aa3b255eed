"""Views: the numbers of a margin unit as people read them, with scope, currency and as_of_seq."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.book import Book
from steelyard.decisions import STATE_NAMES
from steelyard.margin import RiskColumns
from steelyard.quantities import from_units
from steelyard.terms import FULL_MODES
from steelyard.terms.account import owner_of
from steelyard.terms.asset import ACCOUNTING_ASSET, ACCOUNTING_EXPONENT

RATIO_STEP = Decimal("0.0001")
NAMES = RiskColumns.NAMES
BALANCE, REQUIREMENT = (
    NAMES.index("maintenance_balance"),
    NAMES.index("maintenance_requirement"),
)


class AccountView(msgspec.Struct, frozen=True):
    """A margin unit as published. Amounts are USDC; margin_ratio below 1 is liquidatable.

    margin_ratio: maintenance balance / maintenance requirement, rounded down; None without a
    requirement. buffer: their difference. as_of_seq: the event after which this was true.
    """

    unit: str
    account: str
    mode: str
    state: str
    currency: str
    equity: Decimal
    initial_balance: Decimal
    initial_requirement: Decimal
    maintenance_balance: Decimal
    maintenance_requirement: Decimal
    buffer: Decimal
    margin_ratio: Decimal | None
    positions: int
    as_of_seq: int


def account_view(book: Book, row: int, results: NDArray[np.int64], as_of_seq: int) -> AccountView:
    """Return the published view of one row of a book from the results of its last pass."""
    amounts = {name: int(results[k, row]) for k, name in enumerate(NAMES)}
    balance, requirement = amounts["maintenance_balance"], amounts["maintenance_requirement"]
    return AccountView(
        unit=book.names[row],
        account=owner_of(book.names[row]),
        mode=FULL_MODES[int(book.mode[row])],
        state=STATE_NAMES[int(book.state[row])],
        currency=ACCOUNTING_ASSET,
        equity=money(amounts["equity"]),
        initial_balance=money(amounts["initial_balance"]),
        initial_requirement=money(amounts["initial_requirement"]),
        maintenance_balance=money(balance),
        maintenance_requirement=money(requirement),
        buffer=money(balance - requirement),
        margin_ratio=margin_ratio(balance, requirement),
        positions=int(book.count[row]),
        as_of_seq=as_of_seq,
    )


def money(micro: int) -> Decimal:
    """Return micro-USDC as a decimal amount of USDC.

    >>> str(money(-1_500_000))
    '-1.500000'
    """
    return from_units(micro, ACCOUNTING_EXPONENT)


def margin_ratio(balance: int, requirement: int) -> Decimal | None:
    """Return balance / requirement rounded down to four decimals, or None without a requirement.

    Rounded down, so that a unit shown at 1.0000 is not liquidatable.

    >>> str(margin_ratio(2, 3)), margin_ratio(5, 0)
    ('0.6666', None)
    """
    if requirement == 0:
        return None
    return (Decimal(balance) / Decimal(requirement)).quantize(RATIO_STEP, ROUND_FLOOR)


def worst_rows(book: Book, results: NDArray[np.int64], count: int) -> list[int]:
    """Return the `count` rows nearest to liquidation: lowest balance / requirement, then by name.

    Only rows with a requirement are listed.
    """
    requirement = results[REQUIREMENT, : book.units]
    balance = results[BALANCE, : book.units]
    held = np.flatnonzero(requirement > 0)
    if not len(held):
        return []
    ratio = balance[held] / requirement[held]
    near = held[np.argpartition(ratio, min(count, len(held)) - 1)[:count]]
    order = sorted(
        near.tolist(), key=lambda row: (balance[row] / requirement[row], book.names[row])
    )
    return order[:count]
