"""The liquidation price of Vega: where the verdict flips, and where no price is."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from steelyard.margin.methods.own.vega_liquidation import exact_liquidation_price
from steelyard.margin.methods.own.vega_market import VegaMarket
from steelyard.margin.methods.own.vega_numbers import EXACT
from steelyard.quantities import InputError
from tests.margin.methods.own.vega_twin import FACTORS, account, ask, market


def price_of(
    quantity: Any, collateral: Any, mark: float = 100, funding: float = 0, **parameters: Any
) -> float:
    found = ask(
        parameters={"risk_factors": FACTORS} | parameters,
        market=market(mark, funding_payment=funding),
        account=account("cross", quantity),
        liquidation_price={"collateral": collateral},
    )
    assert list(found.native) == ["liquidation_price"], "it stands in place of the levels"
    assert found.maintenance_requirement is not None
    price = found.native["liquidation_price"]
    assert isinstance(price, float)
    return price


def places(low: int, high: int, scale: int) -> st.SearchStrategy[Fraction]:
    return st.integers(low, high).map(lambda n: Fraction(n, scale))


def decimal(value: Fraction) -> Decimal:
    with localcontext(EXACT):
        return Decimal(value.numerator) / Decimal(value.denominator)


def maintenance_at(
    price: Fraction, quantity: Fraction, funding: Fraction, shares: dict[str, Fraction]
) -> Fraction:
    held = abs(quantity)
    risk = shares["long" if quantity > 0 else "short"]
    slip = shares["linear"] * held + shares["quadratic"] * held**2
    return price * (slip + held * risk) + max(Fraction(0), funding * quantity)


@settings(deadline=None, max_examples=150)
@given(
    places(-5000, 5000, 100).filter(bool),
    places(0, 10**9, 100),
    places(1, 10**7, 100),
    places(-300, 300, 100),
    st.fixed_dictionaries(
        {
            "long": places(0, 900, 1000),
            "short": places(0, 2000, 1000),
            "linear": places(0, 200, 1000),
            "quadratic": places(0, 9, 1000),
        }
    ),
)
def test_VEGA_030_the_verdict_flips_at_the_liquidation_price(
    quantity: Fraction,
    collateral: Fraction,
    mark: Fraction,
    funding: Fraction,
    shares: dict[str, Fraction],
) -> None:
    slope = maintenance_at(Fraction(1), quantity, Fraction(0), shares) - quantity
    assume(slope != 0)
    parameters = {
        "risk_factors": {
            "long": str(decimal(shares["long"])),
            "short": str(decimal(shares["short"])),
        },
        "linear_slippage": str(decimal(shares["linear"])),
        "quadratic_slippage": str(decimal(shares["quadratic"])),
    }
    with localcontext(EXACT):
        found = exact_liquidation_price(
            decimal(collateral),
            VegaMarket("BTC-PERPETUAL", "BTC", decimal(quantity)),
            decimal(mark),
            decimal(funding),
            parameters,
        )
    price = Fraction(found)

    def buffer(at: Fraction) -> Fraction:
        balance = collateral + quantity * (at - mark)
        return balance - maintenance_at(at, quantity, funding, shares)

    if price == 0:
        # The root is at or below zero: the verdict is the same at every price above it.
        assert buffer(Fraction(0)) * slope <= 0
        return
    assert abs(buffer(price)) <= Fraction(1, 10**30) * (1 + price)
    tick = Fraction(1, 10**6)
    # Above the price the buffer falls if the requirement rises faster than the position's value.
    assert (buffer(price + tick) < 0) == (slope > 0)
    assert (buffer(price - tick) < 0) == (slope < 0)


def test_VEGA_030_worked_prices() -> None:
    slip = {"risk_factors": {"long": 0.1, "short": 0.11}, "linear_slippage": 0.5}
    assert price_of(4000, 3259080.0000000005, mark=1234.5, **slip) == pytest.approx(
        1049.325, rel=1e-15
    )
    assert price_of(41, 4555100, mark=110, quadratic_slippage=0.01, **slip) == 11_099_000.0


def test_VEGA_030_the_level_at_the_price_is_what_is_left() -> None:
    price = price_of(8, 1000, mark=200, linear_slippage=0.02, funding=3)
    found = ask(
        parameters={"risk_factors": FACTORS, "linear_slippage": 0.02},
        market=market(price, funding_payment=3),
        account=account("cross", 8),
    )
    left = 1000 + 8 * (price - 200)
    assert found.maintenance_requirement is not None
    assert 0 <= float(found.maintenance_requirement) - left < 1


def test_VEGA_031_a_short_is_liquidated_above_its_price() -> None:
    assert price_of(-10, 500, linear_slippage=0.05, funding=-3) == 117.6
    assert price_of(-10, 500, linear_slippage=0.05, funding=3) == 120.0
    assert price_of(10, 500, linear_slippage=0.05, funding=3) == pytest.approx(530 / 8.5, rel=1e-15)


def test_VEGA_032_no_price_below_zero_and_none_of_a_closed_position() -> None:
    assert price_of(1, 200) == 0.0
    assert price_of(1, 100) == 0.0
    assert price_of(-1, -300) == 0.0
    assert price_of(0, 200) == 0.0
    with pytest.raises(InputError, match="METH-E05: BTC-PERPETUAL has no liquidation price"):
        price_of(4, 200, risk_factors={"long": 1})
    assert price_of(4, 200, risk_factors={"long": 1.5}) == 0.0
    assert price_of(4, 900, risk_factors={"long": 1.5}) == 250.0, "from above: (900 − 400)/2"


def test_VEGA_033_only_of_a_cross_position_without_orders() -> None:
    question = {"liquidation_price": {"collateral": 5}, "market": market()}
    parameters = {"risk_factors": FACTORS, "margin_factor": 0.1}
    for mode in ("isolated", "fully_collateralised"):
        with pytest.raises(InputError, match=f"METH-E04: the account's mode is {mode}"):
            ask(parameters=parameters, account=account(mode, 1), **question)
    with pytest.raises(InputError, match="METH-E04: the account has open orders"):
        ask(parameters=parameters, account=account("cross", 1, [("buy", 1, 1)]), **question)
    two = [
        {"instrument": "BTC-PERPETUAL", "quantity": 1},
        {"instrument": "BTC-28JUN24", "quantity": 1},
    ]
    with pytest.raises(InputError, match="METH-E04: the account is in several markets"):
        ask(parameters=parameters, account={"mode": "cross", "positions": two}, **question)
