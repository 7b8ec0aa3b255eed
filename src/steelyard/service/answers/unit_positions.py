"""What a margin unit of an engine holds, as the fields of a `PositionView`, by the engine's own names.

size                   units of the underlying; of an inverse perpetual USD: size_unit
size_currency          of a perpetual, units of the underlying, of an inverse one at its mark
average_price          of a perpetual, USD; an option's premium was cash when it was traded: null
mark_price             of a perpetual USD; of an option in its settlement asset, as it is quoted
floating_profit_loss   of a perpetual: (quantity × mark − cost) in the settlement asset, rounded down to
                       its ledger unit as the engine does, in USD at the index; of an option null
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from steelyard.engine.trial import Trial
from steelyard.publish.story import quoted_price
from steelyard.service.answers.units import UnitScope, size_unit
from steelyard.terms import Instrument


def positions_of(
    scope: UnitScope, names: tuple[str, ...], currency: str | None, kind: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the fields of the positions of units, in the order of the book.

    currency: of the contracts, their underlying or what they settle in; kind: "future" or "option".
    """
    for name in names:
        yield from _of_unit(scope, scope.units.trial(name), currency, kind)


def _of_unit(
    scope: UnitScope, trial: Trial, currency: str | None, kind: str | None
) -> Iterator[dict[str, Any]]:
    market = trial.market
    slots = [
        slot
        for slot in sorted(trial.positions, key=lambda at: (int(market.underlying_of[at]), at))
        if _is_asked(market.instruments[slot], currency, kind)
    ]
    greeks = scope.units.greeks()[slots].tolist() if slots else []
    for slot, unit in zip(slots, greeks, strict=True):
        terms = market.instruments[slot]
        lots, cost = trial.positions[slot]
        contracts = lots / 10**terms.lot_exponent
        delta, _, gamma, vega, theta = (_finite(contracts * each) for each in unit)
        index = market.index_price(int(market.underlying_of[slot]))
        mark = None
        if market.has_mark[slot] and market.mark_units[slot]:
            mark = float(quoted_price(terms, int(market.mark_units[slot])))
        elif market.has_mark[slot]:
            mark = 0.0
        yield scope.head | {
            "account": trial.unit,
            "instrument_name": terms.name,
            "kind": "option" if terms.is_option else "future",
            "direction": "buy" if lots > 0 else "sell",
            "size": contracts * (terms.contract_usd or 1),
            "size_unit": size_unit(terms),
            "size_currency": None if terms.is_option else _in_coins(terms, contracts, mark),
            "average_price": _entry(terms, lots, cost),
            "mark_price": mark,
            "index_price": index if index > 0.0 else None,
            "floating_profit_loss": _profit(trial, slot),
            "delta": delta,
            "gamma": gamma if terms.is_option else None,
            "vega": vega if terms.is_option else None,
            "theta": theta if terms.is_option else None,
            "settlement_currency": terms.settlement,
        }


def _is_asked(terms: Instrument, currency: str | None, kind: str | None) -> bool:
    if currency not in (None, "any", terms.underlying, terms.settlement):
        return False
    return kind in (None, "option" if terms.is_option else "future")


def _entry(terms: Instrument, lots: int, cost: int) -> float | None:
    """Return what was paid for a unit on average, in the words of traders; None of an option."""
    if terms.is_option or cost == 0:
        return None
    scale: int = 10**terms.mark_exponent
    if terms.contract_usd:
        return -terms.contract_usd * scale * lots / cost
    return cost / (lots * scale)


def _profit(trial: Trial, slot: int) -> float | None:
    """Return the unrealised profit of a perpetual in USD, None of an option or without a mark."""
    market = trial.market
    terms = market.instruments[slot]
    if terms.is_option or not market.has_mark[slot]:
        return None
    lots, cost = trial.positions[slot]
    asset = market.assets[int(market.settlement_of[slot])]
    units = (lots * int(market.mark_units[slot]) - cost) // terms.fine_per_unit(asset)
    price = market.index_price(int(market.settlement_of[slot]))
    return float(units / 10**asset.exponent * price)


def _in_coins(terms: Instrument, contracts: float, mark: float | None) -> float | None:
    if not terms.contract_usd:
        return contracts
    return contracts * terms.contract_usd / mark if mark else None


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
