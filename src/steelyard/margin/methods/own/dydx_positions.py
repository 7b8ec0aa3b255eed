"""dYdX v4 positions: notionals, liquidity tiers, and the two requirements of each position.

All amounts are whole millionths of a USDC. Source: dYdX Trading, protocol of the dYdX chain,
perpetuals module.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from steelyard.margin.methods.needs import contracts_of, index_price, underlying_of
from steelyard.margin.methods.own.exact import exact, floored, not_negative, truncated
from steelyard.quantities import PPM, mul_div_ceil
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

DECIMALS = 6
COVERS = frozenset({"perpetual"})


class Tier(NamedTuple):
    """The tier of a market: shares in millionths, caps of the open interest in millionths of a USDC."""

    initial_ppm: int
    maintenance_fraction_ppm: int
    lower_cap: int
    upper_cap: int


class Held(NamedTuple):
    """A position with its market: signed notional and both requirements in millionths of a USDC."""

    instrument: str
    underlying: str
    quantity: Fraction
    price: Fraction
    tier: Tier
    fraction_ppm: int
    notional: int
    initial: int
    maintenance: int


def positions(case: Case[Decimal], document: MethodDocument) -> list[Held]:
    """Return the positions with their requirements, in their order."""
    held = []
    contracts = contracts_of(case.account, document.name, COVERS)
    for i, (contract, position) in enumerate(zip(contracts, case.account.positions, strict=True)):
        name = contract.underlying
        quantity = exact(position.quantity, f"account.positions[{i}].quantity")
        price = exact(index_price(case, name), f"market.underlyings.{name}.index_price")
        tier = tier_of(document, name)
        fraction_ppm = initial_fraction_ppm(tier, open_interest_value(case, name, price))
        notional = truncated(quantity * price, DECIMALS)
        held.append(
            Held(
                contract.name, name, quantity, price, tier, fraction_ppm, notional,
                mul_div_ceil(abs(notional), fraction_ppm, PPM), maintenance_of(notional, tier),
            )
        )  # fmt: skip
    return held


def tier_of(document: MethodDocument, underlying: str) -> Tier:
    """Return the liquidity tier of a market, the default tier where it has none of its own."""
    entry = document.entry("liquidity_tiers", underlying)
    path = f"parameters.liquidity_tiers.{underlying}"
    names = "initial_margin_ppm", "maintenance_fraction_ppm"
    shares = [floored(not_negative(entry[name], f"{path}.{name}"), 0) for name in names]
    caps = "open_interest_lower_cap", "open_interest_upper_cap"
    bounds = [truncated(not_negative(entry[name], f"{path}.{name}"), DECIMALS) for name in caps]
    return Tier(*shares, *bounds)


def open_interest_value(case: Case[Decimal], underlying: str, price: Fraction) -> int:
    """Return the open interest of a market at its index, in millionths; 0 where none is stated."""
    stated = underlying_of(case, underlying).open_interest
    field = f"market.underlyings.{underlying}.open_interest"
    return 0 if stated is None else truncated(not_negative(stated, field) * price, DECIMALS)


def initial_fraction_ppm(tier: Tier, open_interest: int) -> int:
    """Return the initial margin fraction in millionths: the base, growing to 1 between the caps.

    base + ⌊(10⁶ − base)·(OI − lower)/(upper − lower)⌋; OI and the caps in millionths of a USDC.

    >>> initial_fraction_ppm(Tier(200_000, 500_000, 10**6, 2 * 10**6), 1_234_567)
    387653
    """
    base, _, lower, upper = tier
    if upper == 0 or open_interest <= lower:
        return base
    if open_interest >= upper:
        return PPM
    return base + (PPM - base) * (open_interest - lower) // (upper - lower)


def maintenance_of(notional: int, tier: Tier) -> int:
    """Return the maintenance requirement of a notional: the unscaled initial one, then its fraction.

    >>> maintenance_of(9_200_312_288, Tier(50_000, 600_000, 0, 0))
    276009369
    """
    initial = mul_div_ceil(abs(notional), tier.initial_ppm, PPM)
    return mul_div_ceil(initial, tier.maintenance_fraction_ppm, PPM)
