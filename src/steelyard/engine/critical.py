"""Liquidation and bankruptcy prices of a margin unit, underlying by underlying, on the engine's integers.

The price of one underlying goes from a 100,000th of its index to `reach` times it, those of the others, the
volatilities and the clock stand still; at each price the engine's own numbers say

    liquidatable   maintenance balance < maintenance requirement
    bankrupt       equity < what closing every position costs (fee, half spread and impact)

A price is a whole number of steps, by default of the index's own unit. A published one has the verdict, one
step nearer to the healthy side has not. The scan and its reach are those of the library's critical prices
(`margin.methods.prices.critical`): every strike, 2 % steps near, and the stretches where a buffer nears zero.
"""

from __future__ import annotations

from decimal import Decimal

from steelyard.engine.trial import Trial
from steelyard.margin.methods.prices.critical import CriticalPrices, published, words_of
from steelyard.margin.methods.prices.flips import (
    BANKRUPTCY,
    LIQUIDATION,
    Line,
    crossings,
    first_silence,
    runs_of,
)
from steelyard.margin.methods.prices.standing import Standing
from steelyard.margin.methods.prices.ticks import FLOOR, scan_points

UNFIT = "a mark would not fit the scale of its instrument, and the asset would be protected"


def critical_prices_of(
    trial: Trial, *, steps: dict[str, int] | None = None, reach: float = 10.0
) -> tuple[CriticalPrices, ...]:
    """Return where a unit is liquidated and bankrupt, for every underlying it is open to, by name.

    steps: by asset, how many index units a step is, 1 where it is left out. reach: above 1. The trial stays
    as it is. Amounts are USD.
    """
    trial = trial.copy()
    now = _standing(trial)
    return tuple(
        _of_asset(trial.copy(), now, slot, max(1, (steps or {}).get(name, 1)), reach)
        for name, slot in sorted(_open_to(trial).items())
    )


def _open_to(trial: Trial) -> dict[str, int]:
    """Return the assets whose price moves the unit: of positions, orders and coins held or owed."""
    market = trial.market
    held = [*trial.positions, *(order.instrument for order in trial.orders.values())]
    slots = {int(market.underlying_of[slot]) for slot in held}
    slots |= {slot for slot, units in enumerate(trial.balances) if slot and units}
    return {market.assets[slot].name: slot for slot in slots if market.index_units[slot] > 0}


def _standing(trial: Trial) -> Standing:
    """Return the two verdicts of a unit in micro-USDC: their signs are those of exact integers."""
    numbers = trial.numbers()
    left = numbers.equity - trial.closing_cost()
    return Standing(numbers.buffer < 0, left < 0, float(numbers.buffer), float(left))


def _of_asset(trial: Trial, now: Standing, slot: int, step: int, reach: float) -> CriticalPrices:
    market = trial.market
    asset = market.assets[slot]
    tick = Decimal(step).scaleb(-asset.price_exponent)
    here = Decimal(int(market.index_units[slot])) / step
    middle = float(here)
    low = max(1, int(middle / FLOOR))
    high = min(int(middle * reach), asset.index_units_max // step)
    reference = here * tick
    if high <= low:
        reason = "there is no step between the lowest and the highest price"
        return CriticalPrices(asset.name, reference, tick, reason=reason)

    def at(n: int) -> Standing | str:
        trial.move(asset.name, n * step)
        if trial.market.indices[slot].has_unfit_mark:
            return UNFIT
        return _standing(trial)

    points = scan_points(middle, low, high, _knots(trial, slot, step))
    line = Line(at)
    runs = runs_of(line, points)
    if all(len(run) < 2 for run in runs):
        return CriticalPrices(asset.name, reference, tick, reason=first_silence(line, points))
    liquidations = crossings(line, runs, LIQUIDATION)
    bankruptcies = crossings(line, runs, BANKRUPTCY)
    lowest, highest = runs[0][0] * tick, runs[-1][-1] * tick
    words = (
        words_of(
            asset.name, "liquidated", liquidations, now.is_liquidatable, (lowest, highest), tick
        ),
        words_of(asset.name, "bankrupt", bankruptcies, now.is_bankrupt, (lowest, highest), tick),
    )
    return CriticalPrices(
        asset.name, reference, tick, lowest, highest, "", now.is_liquidatable, now.is_bankrupt,
        *published(now, liquidations, bankruptcies, here, tick), words,
    )  # fmt: skip


def _knots(trial: Trial, slot: int, step: int) -> list[float]:
    """Return the steps at which the index, and at which a forward stands at a strike that is held."""
    market, scale = trial.market, 10 ** trial.market.assets[slot].price_exponent
    found = []
    for place in trial.positions:
        if market.instruments[place].is_option and int(market.underlying_of[place]) == slot:
            strike = float(market.instruments[place].strike) * scale / step
            found += [strike, strike / float(market.forward_ratio[place])]
    return found
