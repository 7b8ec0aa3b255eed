"""What a stated market says of each instrument of some books, in columns.

An instrument is a contract, or a coin held as collateral (kind COIN, named like the asset). They stand
in one order: by underlying, then expiry, strike and right, perpetuals and coins before what expires. So
the positions of an account, sorted by instrument, are sorted by underlying and expiry too.

A number the market does not state is NaN here. A formula that needs it makes a NaN of the account that
holds the instrument, and `missing` then says which field it was; nobody else is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.quantities.errors import InputError
from steelyard.terms.stated import Contract, Expiry, Market, instant_us, parse_contract

Floats = NDArray[np.float64]
PERPETUAL, FUTURE, OPTION, COIN = 0, 1, 2, 3
KINDS = {"perpetual": PERPETUAL, "future": FUTURE, "option": OPTION, "coin": COIN}
SECONDS_PER_YEAR = 31_536_000.0
SECONDS_PER_DAY = 86_400.0
NAN = float("nan")

UNDERLYING_NAMES = ("index", "index_confidence", "perpetual_mark", "perpetual_confidence")
EXPIRY_NAMES = (
    "forward_price", "forward_fixed", "expiry_rate", "seconds", "tau", "dte", "expiry_confidence",
    "forward_confidence", "rate_confidence", "volatility_confidence",
)  # fmt: skip
INSTRUMENT_NAMES = ("strike", "volatility", "price", "price_confidence", "is_base")
KIND_NAMES = ("is_call", "is_option", "is_perpetual", "is_future", "is_coin", "is_dated")
MARKET_NAMES = frozenset((*UNDERLYING_NAMES, *EXPIRY_NAMES, *INSTRUMENT_NAMES, *KIND_NAMES))

_FIELDS = {
    "index": "market.underlyings.{underlying}.index_price",
    "perpetual_mark": "market.underlyings.{underlying}.perpetual.mark_price",
    "forward_price": "market.underlyings.{underlying}.expiries[{day}].forward_price",
    "tau": "market.underlyings.{underlying}.expiries[{day}].expiry",
    "volatility": "market.underlyings.{underlying}.expiries[{day}].implied_volatility[{strike}]",
    "price": "market.assets.{name}.price",
}


class Instruments:
    """Columns over instruments and underlyings.

    names (I), contracts (I; None for a coin), kind int8 (I), underlying int32 (I; its place in
    `underlyings`), group int32 (I; instruments of one underlying and expiry share it, what does not
    expire has one of its own), columns: name -> (I,) float64 or bool; of_underlying: name -> (n,).
    place: name -> row.
    """

    def __init__(
        self,
        market: Market[float],
        names: Iterable[str],
        coins: Iterable[str],
        *,
        is_single: bool = False,
    ) -> None:
        contracts = [parse_contract(name) for name in dict.fromkeys(names)]
        coins = list(dict.fromkeys(coins))
        self.market = market
        self.underlyings = underlyings_of(market, contracts, coins, is_single)
        base = self.underlyings[0] if self.underlyings else ""
        rows: list[tuple[Any, ...]] = [
            (c.underlying, c.day, c.kind == "option", c.strike, not c.is_call, c.name, c)
            for c in contracts
        ]
        for coin in coins:
            where = coin if coin in self.underlyings else base
            rows.append((where, "", False, 0.0, False, coin, None))
        rows.sort(key=lambda row: row[:6])
        self.names = [row[5] for row in rows]
        self.contracts: list[Contract | None] = [row[6] for row in rows]
        self.place = {name: i for i, name in enumerate(self.names)}
        self.underlying_of = [row[0] for row in rows]
        position = {name: i for i, name in enumerate(self.underlyings)}
        self.underlying = np.array([position.get(row[0], 0) for row in rows], np.int32)
        self.kind = np.array(
            [COIN if c is None else KINDS[c.kind] for c in self.contracts], np.int8
        )
        groups: dict[tuple[str, str], int] = {}
        self.group = np.array(
            [groups.setdefault((row[0], row[1]), len(groups)) for row in rows], np.int32
        )
        self.of_underlying = {
            name: np.full(len(self.underlyings), NAN) for name in UNDERLYING_NAMES
        }
        self._read_underlyings()
        self.columns: dict[str, NDArray[Any]] = {}
        self._read_instruments()

    def __len__(self) -> int:
        return len(self.names)

    def _read_underlyings(self) -> None:
        for i, name in enumerate(self.underlyings):
            stated = self.market.underlyings.get(name)
            if stated is None:
                continue
            column = self.of_underlying
            column["index"][i] = _positive(stated.index_price)
            column["index_confidence"][i] = stated.confidence
            if stated.perpetual is not None:
                column["perpetual_mark"][i] = _positive(stated.perpetual.mark_price)
                column["perpetual_confidence"][i] = stated.perpetual.confidence

    def _read_instruments(self) -> None:
        size = len(self.names)
        columns = self.columns
        for name in (*EXPIRY_NAMES, "volatility", "price"):
            columns[name] = np.full(size, NAN)
        columns["price_confidence"] = np.ones(size)
        columns["strike"] = np.array([0.0 if c is None else c.strike for c in self.contracts])
        columns["is_call"] = np.array([c is not None and c.is_call for c in self.contracts], bool)
        columns["is_base"] = np.array(
            [name == u for name, u in zip(self.names, self.underlying_of, strict=True)], bool
        )
        for name, kind in KINDS.items():
            columns[f"is_{name}"] = self.kind == kind
        for name in UNDERLYING_NAMES:
            columns[name] = (
                self.of_underlying[name][self.underlying]
                if self.underlyings
                else np.full(size, NAN)
            )
        calendar = {
            name: _expiries_by_day(name, stated.expiries)
            for name, stated in self.market.underlyings.items()
        }
        as_of = instant_us(self.market.as_of) if self.market.as_of else None
        for i, contract in enumerate(self.contracts):
            if contract is None:
                self._read_coin(i)
            elif contract.kind == "perpetual":
                self._read_undated(i)
            else:
                self._read_dated(i, contract, calendar.get(contract.underlying, {}), as_of)
        columns["is_dated"] = columns["is_option"] | columns["is_future"]

    def _read_coin(self, i: int) -> None:
        self._read_undated(i)
        stated = self.market.assets.get(self.names[i])
        if stated is not None:
            self.columns["price"][i] = _positive(stated.price)
            self.columns["price_confidence"][i] = stated.confidence

    def _read_undated(self, i: int) -> None:
        for name in ("seconds", "tau", "dte", "expiry_rate", "forward_fixed"):
            self.columns[name][i] = 0.0
        for name in EXPIRY_NAMES[6:]:
            self.columns[name][i] = 1.0

    def _read_dated(
        self, i: int, contract: Contract, calendar: dict[str, Expiry[float]], as_of: int | None
    ) -> None:
        stated = calendar.get(contract.day)
        if stated is None or as_of is None:
            return
        columns = self.columns
        seconds = max(0, instant_us(stated.expiry, "expiry") - as_of) / 1e6
        columns["seconds"][i] = seconds
        columns["tau"][i] = seconds / SECONDS_PER_YEAR
        columns["dte"][i] = seconds / SECONDS_PER_DAY
        columns["expiry_rate"][i] = stated.rate
        columns["forward_price"][i] = NAN if stated.forward_price is None else stated.forward_price
        columns["forward_fixed"][i] = stated.forward_fixed
        parts = stated.forward_confidence, stated.rate_confidence, stated.volatility_confidence
        for name, part in zip(EXPIRY_NAMES[7:], parts, strict=True):
            columns[name][i] = min(part, stated.confidence)
        columns["expiry_confidence"][i] = min(*parts, stated.confidence)
        if contract.kind == "option":
            columns["volatility"][i] = _volatility(stated, contract)

    def missing(self, rows: Sequence[int], asked: Iterable[str]) -> InputError | None:
        """Return the error of the first number that is asked for, not there, and could be."""
        for i in rows:
            for name in asked:
                if name not in _FIELDS or not self._applies(i, name):
                    continue
                value = self.columns[name][i]
                if value != value:
                    return self._error(i, name)
        return None

    def _applies(self, i: int, name: str) -> bool:
        """Tell whether a number could be there for this kind of instrument."""
        kind = int(self.kind[i])
        return {
            "index": True,
            "perpetual_mark": kind == PERPETUAL,
            "forward_price": kind in (FUTURE, OPTION),
            "tau": kind in (FUTURE, OPTION),
            "volatility": kind == OPTION,
            "price": kind == COIN,
        }[name]

    def _error(self, i: int, name: str) -> InputError:
        contract = self.contracts[i]
        field = _FIELDS[name].format(
            name=self.names[i],
            underlying=self.underlying_of[i],
            day="" if contract is None else contract.day,
            strike="" if contract is None else contract.strike_text,
        )
        return InputError(
            "METH-E01",
            f"{self.names[i]} needs {field}, which is missing or no usable number",
            rule="a number that decides a requirement is stated, never guessed",
            cure=f"state {field}",
            field=field,
        )


def _positive(value: float | None) -> float:
    """Return a price above zero, else NaN."""
    return value if value is not None and 0.0 < value < 1e300 else NAN


def _expiries_by_day(
    underlying: str, expiries: Sequence[Expiry[float]]
) -> dict[str, Expiry[float]]:
    found: dict[str, Expiry[float]] = {}
    for stated in expiries:
        # The UTC day of the instant, which is what the names of contracts carry.
        day = stated.expiry[:10]
        if not stated.expiry.endswith("Z"):
            from steelyard.terms.stated import instant_text

            day = instant_text(instant_us(stated.expiry, "expiry"))[:10]
        if day in found:
            raise InputError(
                "METH-E03",
                f"{underlying} has two expiries on {day}",
                rule="an underlying has at most one expiry a day",
                cure="drop one of them",
                field=f"market.underlyings.{underlying}.expiries",
            )
        found[day] = stated
    return found


def _volatility(stated: Expiry[float], contract: Contract) -> float:
    """Return the volatility of a strike: stated for it, or read off the expiry's SVI slice."""
    if stated.implied_volatility is not None:
        found = stated.implied_volatility.get(contract.strike_text)
        if found is None:
            found = _by_number(stated.implied_volatility, contract.strike)
        if found is not None:
            return found if found >= 0.0 else NAN
    return NAN if stated.svi is None else svi_volatility(stated.svi, contract.strike)


def _by_number(volatilities: dict[str, float], strike: float) -> float | None:
    """Find a strike whose key is written another way, such as `1500.0`."""
    for text, value in volatilities.items():
        try:
            if float(text.replace("d", ".")) == strike:
                return value
        except ValueError:
            continue
    return None


def svi_volatility(svi: Any, strike: float) -> float:
    """Return σ(K) of a raw SVI slice in the form of the Derive contracts.

    k = ln(K / svi.forward) clamped to ±4·√(a + b·sigma), w = a + b·(rho·(k − m) + √((k − m)² + sigma²))
    capped at 144, σ = √(w / svi.tau); NaN where that is no number.
    """
    from steelyard.margin.methods.core.columns import log

    width = svi.a + svi.b * svi.sigma
    if not (strike > 0.0 and svi.forward > 0.0 and svi.tau > 0.0 and width >= 0.0):
        return NAN
    reach = 4.0 * float(np.sqrt(width))
    k = max(-reach, min(reach, float(log(strike / svi.forward))))
    distance = k - svi.m
    root = float(np.sqrt(distance * distance + svi.sigma * svi.sigma))
    w = min(144.0, svi.a + svi.b * (root + svi.rho * distance))
    return float(np.sqrt(w / svi.tau)) if w >= 0.0 else NAN


def underlyings_of(
    market: Market[float], contracts: Sequence[Contract], coins: Sequence[str], is_single: bool
) -> list[str]:
    """Return the underlyings of some contracts, and of coins that are underlyings themselves.

    is_single: coins are collateral beside the one underlying of the contracts, wherever there is one.
    """
    held = {contract.underlying for contract in contracts}
    listed = [name for name in market.underlyings if name in coins]
    if is_single and not held:
        # No contract says which: the first listed coin held, else the first that is listed.
        return [*listed, *market.underlyings, ""][:1]
    if not is_single:
        held |= set(listed)
    return sorted(held) or sorted(market.underlyings) or [""]
