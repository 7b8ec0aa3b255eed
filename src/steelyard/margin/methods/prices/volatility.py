"""The volatility that an account stands: the multiplier of all volatilities at which the verdict flips.

Every volatility is multiplied by one number, from 1/reach to reach, counted in millionths; prices and the
clock stand still. A published multiplier is one at which the verdict is bad, a millionth nearer it is not.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.prices.critical import Root, published, stretches
from steelyard.margin.methods.prices.flips import (
    BANKRUPTCY,
    LIQUIDATION,
    Crossing,
    crossings,
    first_silence,
    line_of,
    runs_of,
)
from steelyard.margin.methods.prices.standing import Prober, Shift, accounts_of
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, parse_contract

TICK = Decimal("0.000001")
ONE = 1_000_000
STEP = 1.04


class CriticalVolatility(msgspec.Struct, frozen=True):
    """What one multiplier of all volatilities does to an account; fields as in CriticalPrices."""

    instrument: str = ""
    lowest: Decimal | None = None
    highest: Decimal | None = None
    is_liquidatable: bool | None = None
    is_bankrupt: bool | None = None
    liquidation: tuple[Root, ...] = ()
    bankruptcy: tuple[Root, ...] = ()
    liquidation_below: Decimal | None = None
    liquidation_above: Decimal | None = None
    bankruptcy_below: Decimal | None = None
    bankruptcy_above: Decimal | None = None
    words: tuple[str, ...] = ()
    reason: str = ""


def liquidation_volatility(
    case: Case[Any], document: MethodDocument, *, reach: float = 10.0
) -> tuple[CriticalVolatility, ...]:
    """Return the multipliers of volatility that liquidate each account of a case.

    Errors: those of `margin_of` for the case as stated; METH-E05.
    """
    if not (isfinite(reach) and 1.0 < reach <= 1_000.0):
        refuse(
            "METH-E05", f"reach is {reach}", "it is above 1 and at most 1,000",
            "give for example 10", "reach",
        )  # fmt: skip
    return tuple(
        _of_account(Prober(account, document), instrument, reach)
        for instrument, account in accounts_of(case, document)
    )


def _of_account(prober: Prober, instrument: str, reach: float) -> CriticalVolatility:
    now = prober.now()
    if isinstance(now, str):
        return CriticalVolatility(instrument, reason=now)
    kinds = {parse_contract(each.instrument).kind for each in prober.case.account.positions}
    if "option" not in kinds:
        return CriticalVolatility(
            instrument, None, None, now.is_liquidatable, now.is_bankrupt,
            reason="the account holds no options",
        )  # fmt: skip
    points = _points(reach)
    line = line_of(prober, points, lambda n: Shift(volatility=n / ONE))
    runs = runs_of(line, points)
    if all(ONE not in run or len(run) < 2 for run in runs):
        return CriticalVolatility(instrument, reason=first_silence(line, points))
    liquidations, bankruptcies = (
        crossings(line, runs, verdict) for verdict in (LIQUIDATION, BANKRUPTCY)
    )
    ends = points[0] * TICK, points[-1] * TICK
    return CriticalVolatility(
        instrument, ends[0], ends[1], now.is_liquidatable, now.is_bankrupt,
        *published(now, liquidations, bankruptcies, Decimal(ONE), TICK),
        (
            _words("liquidated", liquidations, now.is_liquidatable, ends),
            _words("bankrupt", bankruptcies, now.is_bankrupt, ends),
        ),
    )  # fmt: skip


def _points(reach: float) -> list[int]:
    points = {ONE}
    for step in (STEP, 1.0 / STEP):
        x = step
        while 1.0 / reach < x < reach:
            points.add(int(x * ONE))
            x *= step
    return sorted(points | {int(ONE / reach), int(ONE * reach)})


def _words(
    verdict: str, crossed: list[Crossing], is_bad_now: bool, ends: tuple[Decimal, Decimal]
) -> str:
    low, high = ends
    if not crossed:
        within = f"multiple of the volatilities between {low:f} and {high:f}"
        if is_bad_now:
            return f"at every {within} the account is {verdict}"
        return f"at no {within} is the account {verdict}"
    said = []
    for start, end in stretches(crossed, is_bad_now, low, high, TICK):
        if start == low:
            said.append(f"{end:f} times and below")
        elif end == high:
            said.append(f"{start:f} times and above")
        else:
            said.append(f"{start:f} to {end:f} times")
    return f"the account is {verdict} with volatilities at {', and at '.join(said)}"
