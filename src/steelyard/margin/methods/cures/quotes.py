"""What may be traded, at which price, and what it costs: the caller states fee and spread, the market the rest."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any, NamedTuple

from steelyard.margin.methods.needs import refuse
from steelyard.quantities.errors import InputError
from steelyard.terms.stated import (
    Case,
    Expiry,
    instant_text,
    instant_us,
    parse_contract,
    strike_key,
)
from steelyard.terms.stated.names import MONTHS


class Charges(NamedTuple):
    """What trading costs, as the caller states it.

    taker_fee: fraction of the notional; of an option that of its underlying. half_spread: fraction of the
    price of what is linear. volatility_half_spread: fraction of an option's volatility, times its price's
    change by it.
    """

    taker_fee: float = 0.0
    half_spread: float = 0.0
    volatility_half_spread: float = 0.0

    @property
    def is_free(self) -> bool:
        """Whether nothing is charged."""
        return self == Charges()


class Quote(NamedTuple):
    """One unit of a contract, in the method's currency.

    value: cash paid for a unit bought at the mark (an option's premium; 0 for what is linear). mark: that of
    a new option position. notional: NaN where the market has no price. bought, sold: half the spread.
    """

    instrument: str
    value: float = 0.0
    mark: float | None = None
    notional: float = nan
    bought: float = 0.0
    sold: float = 0.0

    def cost(self, quantity: float, taker_fee: float) -> float:
        """Return what trading a signed quantity costs; NaN where it cannot be told."""
        spread = self.bought if quantity > 0.0 else self.sold
        fee = self.notional * taker_fee if taker_fee else 0.0
        return abs(quantity) * (fee + spread)

    def size(self, quantity: float) -> float | None:
        """Return the notional of a quantity, None where it is not known."""
        found = abs(quantity) * self.notional
        return found if isfinite(found) else None


def charges_of(taker_fee: float, half_spread: float, volatility_half_spread: float) -> Charges:
    """Return the charges. Errors: METH-E05 unless each is finite, at least 0 and below 1."""
    charges = Charges(float(taker_fee), float(half_spread), float(volatility_half_spread))
    for name, value in zip(Charges._fields, charges, strict=True):
        if not 0.0 <= value < 1.0:
            refuse(
                "METH-E05", f"{name} is {value}", "it is a fraction of at least 0, below 1",
                "state 0.0005 for five basis points", name,
            )  # fmt: skip
    return charges


def known_contracts(case: Case[Any], covers: frozenset[str], is_one: bool) -> list[str]:
    """Return the contracts that the market knows for the account's underlyings, in a fixed order.

    The perpetual where its mark is stated, a future at each expiry to come with a forward, a call and a
    put at each strike with a stated volatility. An account without contracts: of its coins'
    underlyings, else of all; is_one: of the first alone.
    """
    found: list[str] = []
    for name in underlyings_of(case, is_one):
        market = case.market.underlyings.get(name)
        if market is None:
            continue
        if "perpetual" in covers and _has_perpetual(market):
            found.append(f"{name}-PERPETUAL")
        as_of = instant_us(case.market.as_of) if case.market.as_of else None
        for expiry in market.expiries:
            end = instant_us(expiry.expiry, "expiry")
            if as_of is None or end <= as_of:
                continue
            dated = f"{name}-{_day(instant_text(end))}"
            if "future" in covers and expiry.forward_price is not None:
                found.append(dated)
            if "option" in covers:
                found += [
                    f"{dated}-{strike}-{right}" for strike in _strikes(expiry) for right in "CP"
                ]
    return list(dict.fromkeys(found))


def chosen_contracts(
    names: Sequence[str], covers: frozenset[str], underlyings: list[str] | None, method: str
) -> list[str]:
    """Return the contracts that a caller names, of the underlyings if some are given.

    Errors: STAT-E02, METH-E04.
    """
    for name in names:
        contract = parse_contract(name)
        if contract.kind not in covers:
            refuse(
                "METH-E04", f"{method} does not cover {name}",
                f"it covers {', '.join(sorted(covers))}", "leave it out of tradable", "tradable",
            )  # fmt: skip
        if underlyings is not None and contract.underlying not in underlyings:
            refuse(
                "METH-E04", f"{name} is not of this account's underlying",
                f"{method} covers one underlying an account", "leave it out of tradable", "tradable",
            )  # fmt: skip
    return list(dict.fromkeys(names))


def underlyings_of(case: Case[Any], is_one: bool) -> list[str]:
    """Return the underlyings of an account's contracts, else of its coins, else all; is_one: the first."""
    held = {parse_contract(position.instrument).underlying for position in case.account.positions}
    coins = [name for name in case.market.underlyings if name in case.account.balances]
    found = sorted(held) or coins or list(case.market.underlyings)
    return found[:1] if is_one else found


def positive(value: Any) -> float:
    """Return a price above zero as a float, NaN where there is none."""
    return float(value) if value is not None and value > 0 else nan


def _has_perpetual(market: Any) -> bool:
    stated = market.perpetual.mark_price if market.perpetual is not None else None
    return any(each is not None and each > 0 for each in (stated, market.mark_price)) or (
        market.perpetual is None and not market.expiries and market.index_price is not None
    )


def _day(instant: str) -> str:
    year, month, day = instant[:10].split("-")
    return f"{int(day)}{MONTHS[int(month) - 1]}{year[2:]}"


def _strikes(expiry: Expiry[Any]) -> list[str]:
    """Return the strikes with a stated volatility, rising."""
    strikes: dict[float, str] = {}
    for text in expiry.implied_volatility or {}:
        try:
            strike = strike_key(text)
            strikes[float(strike)] = strike
        except (ValueError, InputError):
            continue  # a key that is no strike is nobody's volatility
    return [text for strike, text in sorted(strikes.items()) if strike > 0.0]
