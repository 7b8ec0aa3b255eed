"""The least deposit of each asset that cures: cash, and coins where they count as collateral."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import isfinite

import numpy as np

from steelyard.margin.methods.cures.desks import Desk
from steelyard.margin.methods.cures.levels import Floats, Outcome, plain_number, ratio_of
from steelyard.margin.methods.cures.results import Deposit, Number
from steelyard.margin.methods.cures.search import least_steps

DIGITS = 6
UNITS = 10**DIGITS
# The grid reaches from 2^−24 of what is short to 2^40 times it.
DOUBLINGS_BELOW, DOUBLINGS_ABOVE = 24, 40
NONE_HELPS = (
    "no deposit of it was found to help, up to 2^40 times what is short: what it adds to equity,"
    " the requirement takes"
)
NOT_COUNTED = "it does not count in equity"


def deposits_of(desk: Desk, equity: Number, short: float) -> tuple[Deposit, ...]:
    """Return the least deposit of cash and of every coin; `short` is the slack, below zero.

    Amounts are whole numbers of 10⁻⁶ units: at the amount the ratio holds, one unit less it does not.
    """
    assets = [desk.ledger.cash, *desk.coins]
    one = desk.deposits(assets, [Decimal(1)] * len(assets))
    worth = [_float(each) - _float(equity) for each in one.equity]
    counted = [i for i, each in enumerate(worth) if isfinite(each) and each > 0.0]
    grids = [_grid(-short / worth[i]) for i in counted]

    def slack_of(places: list[int], steps: list[int]) -> Floats:
        names = [assets[counted[place]] for place in places]
        return desk.deposits(names, [amount_of(step) for step in steps]).slack

    found = least_steps(grids, [short] * len(counted), slack_of, desk.width)
    curing = {counted[k]: amount_of(steps) for k, steps in enumerate(found) if steps is not None}
    after = Outcome([], [], np.empty(0))
    if curing:
        after = desk.deposits([assets[i] for i in curing], list(curing.values()))
    rows = {i: row for row, i in enumerate(curing)}
    told = []
    for i, asset in enumerate(assets):
        if i not in rows:
            told.append(Deposit(asset, None, reason=NONE_HELPS if i in counted else NOT_COUNTED))
            continue
        new = plain_number(after.equity[rows[i]])
        requirement = plain_number(after.requirement[rows[i]])
        told.append(
            Deposit(
                asset, curing[i], _difference(new, equity), requirement, ratio_of(new, requirement)
            )
        )
    return tuple(told)


def amount_of(units: int) -> Decimal:
    """Return a number of units of 10⁻⁶ as a decimal.

    >>> amount_of(1_500_000)
    Decimal('1.500000')
    """
    return Decimal(f"{units}e-{DIGITS}")


def _grid(short: float) -> list[int]:
    """Return units to try: the whole that is short with its neighbours, and doublings around it."""
    whole = -(-Fraction(short) * UNITS // 1)
    guess = max(1, int(whole))
    below = [guess >> k for k in range(1, DOUBLINGS_BELOW)]
    return [
        guess - 1,
        guess,
        guess + 1,
        *below,
        *(guess << k for k in range(1, DOUBLINGS_ABOVE + 1)),
    ]


def _float(value: object) -> float:
    return float(value)  # type: ignore[arg-type]


def _difference(new: Number, old: Number) -> Number:
    if isinstance(new, float) or isinstance(old, float):
        return float(new) - float(old)
    return new - old
