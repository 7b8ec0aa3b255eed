"""An engine's market as a statement, read again only where something changed.

An index is the quantised one; a perpetual's mark and an option's volatility are stated where there are
such; a forward is the index times its ratio, with the part that settlement has fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.marks.market import MarketState
from steelyard.marks.settlement import known_part
from steelyard.terms import Instrument, Method
from steelyard.terms.instrument import option_name
from steelyard.terms.stated import (
    Asset,
    Expiry,
    Market,
    Perpetual,
    Underlying,
    instant_text,
    strike_key,
)


def stated_name(terms: Instrument) -> str:
    """Return the name of a contract in a statement: its underlying, expiry, strike and right alone.

    A linear and an inverse contract of one underlying have one name; a position says which it is.
    """
    if not terms.is_option:
        return f"{terms.underlying}-PERPETUAL"
    at = datetime.fromtimestamp(terms.expiry_us // 1_000_000, UTC)
    strike = strike_key(terms.strike)
    return option_name(terms.underlying, at.day, at.month, at.year, strike, terms.is_call)


class _Chain(NamedTuple):
    """What is listed of one underlying and not settled: slots of perpetuals and options, and of these by expiry."""

    perpetuals: NDArray[np.int64]
    options: NDArray[np.int64]
    keys: list[str]
    by_expiry: list[tuple[int, list[int]]]


class _Smiles(NamedTuple):
    """Volatilities by expiry, and the bytes that they were read from."""

    read_from: bytes
    of_expiry: list[dict[str, float]]


class MarketReader:
    """Keeps what was stated of a market; what did not change is not read again."""

    def __init__(self) -> None:
        self._listed: tuple[int, bytes] | None = None
        self._chains: dict[int, _Chain] = {}
        self._names: tuple[str, ...] = ()
        self._smiles: dict[int, _Smiles] = {}
        self._stated: dict[int, tuple[tuple[Any, ...], Underlying[float]]] = {}
        self._market: Market[float] | None = None
        self._key: tuple[Any, ...] = ()

    def instruments(self, market: MarketState) -> tuple[str, ...]:
        """Return the stated names of what is listed and not settled, each once."""
        self._list(market)
        return self._names

    def market(self, market: MarketState, method: Method) -> Market[float]:
        """Return the market as a statement; the same object for as long as nothing in it changes."""
        self._list(market)
        underlyings: dict[str, Underlying[float]] = {}
        keys: list[Any] = []
        for place, chain in self._chains.items():
            if market.index_units[place] > 0:
                key = _key_of(market, method, place, chain)
                known = self._stated.get(place)
                if known is None or known[0] != key:
                    known = key, self._underlying(market, method, place, chain)
                    self._stated[place] = known
                keys.append(known[1])
                underlyings[market.assets[place].name] = known[1]
        count = len(market.assets)
        whole = (market.time_us, count, market.index_units[:count].tobytes())
        if self._market is None or whole != self._key[:3] or not _are_same(keys, self._key[3]):
            self._key = (*whole, keys)
            self._market = Market(
                instant_text(market.time_us) if market.time_us else "",
                assets=_assets(market), underlyings=underlyings,
            )  # fmt: skip
        return self._market

    def _list(self, market: MarketState) -> None:
        """Number the contracts again after a listing or a settlement."""
        count = len(market.instruments)
        listed = count, market.is_settled[:count].tobytes()
        if listed == self._listed:
            return
        self._listed = listed
        self._smiles.clear()
        self._stated.clear()
        settled = market.is_settled[:count].tolist()
        live = [slot for slot in range(count) if not settled[slot]]
        self._names = tuple(dict.fromkeys(stated_name(market.instruments[slot]) for slot in live))
        by_asset: dict[int, list[int]] = {}
        for slot in live:
            by_asset.setdefault(int(market.underlying_of[slot]), []).append(slot)
        self._chains = {place: _chain(market, slots) for place, slots in by_asset.items()}

    def _underlying(
        self, market: MarketState, method: Method, place: int, chain: _Chain
    ) -> Underlying[float]:
        perpetual: Perpetual[float] | None = None
        for slot in chain.perpetuals.tolist():
            terms = market.instruments[slot]
            if market.has_mark[slot] and (perpetual is None or not terms.is_inverse):
                mark = int(market.mark_units[slot]) / 10**terms.mark_exponent
                perpetual = Perpetual(-terms.contract_usd / mark if terms.is_inverse else mark)
        index = market.index_price(place)
        smiles = self._smiles_of(market, place, chain)
        expiries = tuple(
            _expiry(market, method, place, expiry_us,
                    index * float(market.forward_ratio[chain.options[rows[0]]]), smile)
            for (expiry_us, rows), smile in zip(chain.by_expiry, smiles, strict=True)
        )  # fmt: skip
        return Underlying(index, perpetual=perpetual, expiries=expiries)

    def _smiles_of(self, market: MarketState, place: int, chain: _Chain) -> list[dict[str, float]]:
        volatilities = market.volatility[chain.options]
        read_from = volatilities.tobytes()
        known = self._smiles.get(place)
        if known is None or known.read_from != read_from:
            values = volatilities.tolist()
            known = _Smiles(read_from, [
                {chain.keys[row]: values[row] for row in rows if values[row] > 0.0}
                for _, rows in chain.by_expiry
            ])  # fmt: skip
            self._smiles[place] = known
        return known.of_expiry


def _chain(market: MarketState, slots: list[int]) -> _Chain:
    options = [slot for slot in slots if market.instruments[slot].is_option]
    perpetuals = [slot for slot in slots if not market.instruments[slot].is_option]
    by_expiry: dict[int, list[int]] = {}
    for row, slot in enumerate(options):
        by_expiry.setdefault(market.instruments[slot].expiry_us, []).append(row)
    return _Chain(
        np.array(perpetuals, np.int64), np.array(options, np.int64),
        [strike_key(market.instruments[slot].strike) for slot in options],
        sorted(by_expiry.items()),
    )  # fmt: skip


def _key_of(market: MarketState, method: Method, place: int, chain: _Chain) -> tuple[Any, ...]:
    """Return what an underlying's statement is made of; time is in it while a settlement average runs."""
    window_us = method.index_rules(market.assets[place].name).settlement_window_us
    is_near = bool(chain.by_expiry) and chain.by_expiry[0][0] - window_us < market.time_us
    return (
        int(market.index_units[place]),
        market.mark_units[chain.perpetuals].tobytes(),
        market.has_mark[chain.perpetuals].tobytes(),
        market.volatility[chain.options].tobytes(),
        market.forward_ratio[chain.options].tobytes(),
        (market.time_us, window_us) if is_near else None,
    )


def _are_same(found: list[Any], known: list[Any]) -> bool:
    return len(found) == len(known) and all(a is b for a, b in zip(found, known, strict=True))


def _assets(market: MarketState) -> dict[str, Asset[float]]:
    assets: dict[str, Asset[float]] = {}
    for slot, asset in enumerate(market.assets):
        price = 1.0 if slot == 0 else market.index_price(slot)
        if price > 0.0:
            assets[asset.name] = Asset(price)
    return assets


def _expiry(
    market: MarketState, method: Method, place: int, expiry_us: int, forward: float,
    smile: Mapping[str, float],
) -> Expiry[float]:  # fmt: skip
    known, mean = known_part(market, place, expiry_us, method)
    return Expiry(
        instant_text(expiry_us),
        forward_price=known * mean + (1.0 - known) * forward,
        forward_fixed=known * mean,
        implied_volatility=dict(smile),
    )
