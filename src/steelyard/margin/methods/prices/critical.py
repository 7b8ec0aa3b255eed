"""Liquidation and bankruptcy prices of an account, underlying by underlying, under any method.

For each underlying the prices of the others stay. Its own goes from a 100,000th of the reference to
`reach` times it; at each price the whole account is margined anew. A published price is a whole number of
ticks at which the verdict is "liquidated" (or "bankrupt"), and one tick nearer to the healthy side it is
not: `falling` if the account is so from there downwards, `rising` if upwards.

The scan steps by 2 % within three tenths of the reference, by 10 % up to `reach` and down to a twentieth,
by half below; it stops at every strike (where the index, and where the forward stands there), and searches
the stretches in which the buffer comes nearest to zero. Two flips closer together than all this, between
points where the buffer does not near zero, are not seen.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, Literal

import msgspec

from steelyard.margin.methods.moving import reference_price
from steelyard.margin.methods.moving_positions import expiry_of
from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.prices.flips import (
    BANKRUPTCY,
    LIQUIDATION,
    Crossing,
    Line,
    crossings,
    first_silence,
    line_of,
    runs_of,
)
from steelyard.margin.methods.prices.standing import (
    Prober,
    Shift,
    Standing,
    accounts_of,
    movable,
)
from steelyard.margin.methods.prices.ticks import (
    FLOOR,
    checked_tick,
    decimal_of,
    price_of,
    scan_points,
)
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, parse_contract

Direction = Literal["falling", "rising"]


class Root(msgspec.Struct, frozen=True):
    """A price at which a verdict flips; the account is liquidated, or bankrupt, from there on.

    direction: falling, it is so at this price and below; rising, at this price and above.
    """

    price: Decimal
    direction: Direction


Side = Decimal | None
Published = tuple[tuple[Root, ...], tuple[Root, ...], Side, Side, Side, Side]


class CriticalPrices(msgspec.Struct, frozen=True):
    """What the price of one underlying does to an account, the prices of the others held still.

    instrument: the isolated position that is an account of its own, else ""; reference: the price now;
    lowest, highest: what was looked at, in ticks; …_below, …_above: the nearest roots on either side of
    the reference; words: sentences that say so; reason: why there is nothing to say, else "".
    """

    underlying: str
    reference: Decimal | None = None
    tick: Decimal | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    instrument: str = ""
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


def critical_prices(
    case: Case[Any],
    document: MethodDocument,
    *,
    tick: Decimal | None = None,
    reach: float = 10.0,
) -> tuple[CriticalPrices, ...]:
    """Return liquidation and bankruptcy prices for every underlying (and coin held) of an account.

    tick: the step that prices are counted in, by default a power of ten of about a millionth of the
    reference; reach: how many times the reference is looked at. Isolated positions of a tiered venue or
    of Bybit come one by one. Errors: those of `margin_of` for the case as stated; METH-E05.

    One BTC long at 100 with 20 of cash: at a price p it has p − 80 and must keep 8 % of p, so it is
    liquidated below 80/0.92 = 86.957, and bankrupt below 80.

    >>> from steelyard.terms.documents import documents
    >>> from steelyard.terms.stated import Account, Market, Perpetual, Position, Underlying
    >>> market = Market(underlyings={"BTC": Underlying(100.0, perpetual=Perpetual(100.0))})
    >>> held = Account(balances={"USDC": 20.0}, positions=(Position("BTC-PERPETUAL", 1.0),))
    >>> case = Case("c", "paradex-pm", market=market, account=held)
    >>> found, = critical_prices(case, documents().get("paradex-pm"), tick=Decimal("0.01"))
    >>> found.liquidation_below, found.bankruptcy_below, found.liquidation_above
    (Decimal('86.95'), Decimal('79.99'), None)
    """
    if not (isfinite(reach) and reach > 1.0):
        refuse("METH-E05", f"reach is {reach}", "it is above 1", "give for example 10", "reach")
    found: list[CriticalPrices] = []
    for instrument, account in accounts_of(case, document):
        prober = Prober(account, document)
        now = prober.now()
        for name in movable(prober):
            if isinstance(now, str):
                found.append(CriticalPrices(name, instrument=instrument, reason=now))
            else:
                found.append(_of_underlying(prober, now, name, instrument, tick, reach))
    return tuple(found)


def _of_underlying(
    prober: Prober, now: Standing, name: str, instrument: str, stated: Decimal | None, reach: float
) -> CriticalPrices:
    try:
        reference = reference_price(prober.case, name)
    except InputError as error:
        return CriticalPrices(name, instrument=instrument, reason=f"{error.code}: {error.message}")
    tick = checked_tick(stated, reference)
    exact = decimal_of(reference)
    middle = float(exact / tick)
    low, high = max(1, int(middle / FLOOR)), int(middle * reach)
    if high <= low:
        refuse(
            "METH-E05", f"the tick is {tick} at a price of {reference}",
            "there are ticks between the lowest and the highest price", "give a smaller one", "tick",
        )  # fmt: skip
    points = scan_points(middle, low, high, _knots(prober.case, name, exact, tick))
    line = line_of(prober, points, lambda n: Shift({name: price_of(n, tick, reference)}))
    runs = runs_of(line, points)
    if all(len(run) < 2 for run in runs):  # at most the price as it stands
        reason = first_silence(line, points)
        return CriticalPrices(name, exact, tick, instrument=instrument, reason=reason)
    liquidations = crossings(line, runs, LIQUIDATION)
    bankruptcies = crossings(line, runs, BANKRUPTCY)
    lowest, highest = low * tick, high * tick
    words = [
        words_of(name, "liquidated", liquidations, now.is_liquidatable, (lowest, highest), tick),
        words_of(name, "bankrupt", bankruptcies, now.is_bankrupt, (lowest, highest), tick),
        *_silences(line, runs, points, name, tick),
    ]
    return CriticalPrices(
        name, exact, tick, lowest, highest, instrument, now.is_liquidatable, now.is_bankrupt,
        *published(now, liquidations, bankruptcies, exact / tick, tick), tuple(words),
    )  # fmt: skip


def root_of(crossing: Crossing, tick: Decimal) -> Root:
    """Return what is published of two neighbours: the one at which the verdict is bad."""
    if crossing.is_low_bad:
        return Root(crossing.low * tick, "falling")
    return Root(crossing.high * tick, "rising")


def published(
    now: Standing,
    liquidations: list[Crossing],
    bankruptcies: list[Crossing],
    here: Decimal,
    tick: Decimal,
) -> Published:
    """Return the roots of both verdicts, then of each the nearest below and above; here: in ticks."""
    return (
        tuple(root_of(each, tick) for each in liquidations),
        tuple(root_of(each, tick) for each in bankruptcies),
        *nearest(liquidations, here, now.is_liquidatable, tick),
        *nearest(bankruptcies, here, now.is_bankrupt, tick),
    )


def nearest(
    crossed: list[Crossing], now: Decimal, is_bad_now: bool, tick: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """Return the roots next to the present, below and above it; now: the present in ticks.

    Between two neighbours around the present the flip is on the side whose verdict is the other one.
    """
    below: Decimal | None = None
    above: Decimal | None = None
    for crossing in crossed:
        is_inside = crossing.low < now < crossing.high
        is_below = crossing.is_low_bad != is_bad_now if is_inside else crossing.high <= now
        if is_below:
            below = root_of(crossing, tick).price
        elif above is None:
            above = root_of(crossing, tick).price
    return below, above


def stretches(
    crossed: list[Crossing], is_bad_now: bool, low: Decimal, high: Decimal, tick: Decimal
) -> list[tuple[Decimal, Decimal]]:
    """Return the stretches from low to high in which the verdict is bad, both ends included."""
    is_bad = crossed[0].is_low_bad if crossed else is_bad_now
    start = low
    found = []
    for crossing in crossed:
        if is_bad:
            found.append((start, crossing.low * tick))
        start, is_bad = crossing.high * tick, not crossing.is_low_bad
    return [*found, (start, high)] if is_bad else found


def words_of(
    name: str,
    verdict: str,
    crossed: list[Crossing],
    is_bad_now: bool,
    reach: tuple[Decimal, Decimal],
    tick: Decimal,
) -> str:
    """Return one sentence on where an account is liquidated, or bankrupt."""
    low, high = reach
    if not crossed:
        within = f"price of {name} between {low:f} and {high:f}"
        if is_bad_now:
            return f"at every {within} the account is {verdict}"
        return f"at no {within} is the account {verdict}"
    said = []
    for start, end in stretches(crossed, is_bad_now, low, high, tick):
        if start == low:
            said.append(f"at {end:f} and below")
        elif end == high:
            said.append(f"at {start:f} and above")
        else:
            said.append(f"from {start:f} to {end:f}")
    return f"the account is {verdict} with {name} {', and '.join(said)}"


def _silences(
    line: Line, runs: list[list[int]], points: list[int], name: str, tick: Decimal
) -> list[str]:
    """Return a sentence for each end of the prices of which the method says something."""
    said = []
    for i, run in enumerate(runs):
        if run[0] > points[0] and i == 0:
            why = line.at(run[0] - 1)
            said.append(f"below {run[0] * tick:f} of {name} the method says nothing: {why}")
        if run[-1] < points[-1]:
            why = line.at(run[-1] + 1)
            until = "" if i + 1 == len(runs) else f" until {runs[i + 1][0] * tick:f}"
            said.append(f"above {run[-1] * tick:f} of {name}{until} the method says nothing: {why}")
    return said


def _knots(case: Case[Any], name: str, reference: Decimal, tick: Decimal) -> list[float]:
    """Return the ticks at which the index, and at which a forward stands at a strike."""
    knots = []
    for position in case.account.positions:
        contract = parse_contract(position.instrument)
        if contract.kind != "option" or contract.underlying != name:
            continue
        knots.append(contract.strike / float(tick))
        expiry = expiry_of(contract, case.market)
        forward = 0.0 if expiry is None else float(expiry.forward_price or 0.0)
        if forward > 0.0:
            knots.append(contract.strike * float(reference) / forward / float(tick))
    return knots
