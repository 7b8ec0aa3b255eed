"""Legs by their roles: options, coins, perpetuals and futures of one underlying, and books of them."""

from __future__ import annotations

from hypothesis import strategies as st

from steelyard.margin.strategies import Leg

NEAR, FAR = 1_767_340_800_000_000, 1_774_598_400_000_000
STRIKES = [45_000.0, 50_000.0, 55_000.0, 60_000.0, 60_000.5, 65_000.0, 70_000.0, 80_000.0]


def option(
    strike: float,
    letter: str,
    quantity: float,
    mark: float = 0.0,
    *,
    expiry: int = NEAR,
    coins: bool = False,
    underlying: str = "BTC",
) -> Leg:
    """Return an option named by all its terms."""
    name = f"{underlying}-{expiry}-{strike:g}-{letter}{'-coin' if coins else ''}"
    return Leg(name, "option", underlying, expiry, strike, letter == "C", quantity, coins, mark)


def coin(quantity: float, mark: float = 60_000.0, underlying: str = "BTC") -> Leg:
    """Return coins held outright, or owed."""
    return Leg(underlying, "coin", underlying, 0, 0.0, False, quantity, False, mark)


def perpetual(quantity: float, mark: float = 60_000.0, *, coins: bool = False) -> Leg:
    """Return a perpetual, settled in dollars or in coins."""
    name = "BTC-PERP-coin" if coins else "BTC-PERP"
    return Leg(name, "perpetual", "BTC", 0, 0.0, False, quantity, coins, mark)


def future(quantity: float, mark: float = 60_000.0, expiry: int = NEAR) -> Leg:
    """Return a future settled in dollars."""
    return Leg(f"BTC-F-{expiry}", "future", "BTC", expiry, 0.0, False, quantity, False, mark)


@st.composite
def books(
    draw: st.DrawFn,
    *,
    coins: bool = False,
    expiries: tuple[int, ...] = (NEAR,),
    legs_max: int = 7,
    linear: bool = True,
    tenths: int = 30,
) -> list[Leg]:
    """Draw a book of one underlying: options in tenths of a contract, and perhaps linear legs."""
    quantities = st.integers(-tenths, tenths).map(lambda n: n / 10)
    marks = st.integers(0, 400).map(lambda n: n / 10_000 if coins else n * 12.5)
    slots = draw(
        st.lists(
            st.tuples(st.sampled_from(expiries), st.sampled_from(STRIKES), st.sampled_from("CP")),
            max_size=legs_max,
            unique=True,
        )
    )
    held = [
        option(strike, letter, draw(quantities), draw(marks), expiry=expiry, coins=coins)
        for expiry, strike, letter in slots
    ]
    if linear and draw(st.booleans()):
        held.append(coin(draw(quantities)))
    if linear and draw(st.booleans()):
        held.append(
            perpetual(draw(quantities), draw(st.sampled_from([52_000.0, 61_250.5])), coins=coins)
        )
    return held
