"""The forward of each expiry: the future, parity, the venue's synthetic, the neighbours; and in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.forwards import Forwards, ForwardSource, find_forwards, parity_forwards
from steelyard.models.quotes import QuoteUse
from steelyard.models.surface_fit import fit_surface
from steelyard.valuation.black76 import black76_price
from tests.models.surface_roles import Option, chain_of, quoted

NAN = float("nan")
STRIKES = np.linspace(80.0, 120.0, 9)


def parity_of(chain: ChainQuotes) -> tuple[float, float]:
    """Return (forward, width) by parity of a chain of one expiry."""
    value, width = parity_forwards(chain, np.zeros(len(chain), np.int64), 1)
    return float(value[0]), float(width[0])


def forwards_of(chain: ChainQuotes) -> Forwards:
    """The forwards of a chain's expiries."""
    expiry_us, expiry_of = np.unique(chain.expiry_us, return_inverse=True)
    return find_forwards(chain, expiry_us, expiry_of)


def pairs(days: float, forward: float, told: float = NAN, spread: float = 0.01) -> list[Option]:
    """Calls and puts of nine strikes on a forward; told: what the column of futures says."""
    rows = [
        row
        for is_call in (True, False)
        for row in quoted(days, forward, STRIKES, 0.6, spread, is_call=is_call)
    ]
    return [row._replace(forward=told) for row in rows]


def one_pair(strike: float, call: tuple[float, float], put: tuple[float, float]) -> list[Option]:
    """A call and a put at one strike."""
    return [
        Option(30.0, NAN, strike, True, *call),
        Option(30.0, NAN, strike, False, *put),
    ]


def test_SURF_020_a_listed_future_comes_first() -> None:
    rows = pairs(30.0, 100.0, told=100.5)
    found = forwards_of(chain_of(rows))
    assert (found.value[0], found.source) == (100.5, [ForwardSource.FUTURE])
    assert found.parity[0] == pytest.approx(100.0, abs=0.05)
    for wild in (NAN, 0.0, -7.0, 1e9):
        rows[3] = rows[3]._replace(forward=wild)
        assert forwards_of(chain_of(rows)).value[0] == 100.5


@pytest.mark.parametrize("told", [float("inf"), -100.0, 0.0, NAN])
def test_SURF_020_a_future_that_is_no_price_is_none(told: float) -> None:
    found = forwards_of(chain_of(pairs(30.0, 100.0, told=told)))
    assert found.source == [ForwardSource.PARITY]
    assert found.value[0] == pytest.approx(100.0, abs=0.05)


def test_SURF_021_worked_bounds() -> None:
    # The second strike is so wide that it weighs nothing.
    rows = one_pair(100.0, (3.0, 3.2), (2.0, 2.1)) + one_pair(110.0, (0.5, 9.0), (9.0, 30.0))
    value, width = parity_of(chain_of(rows))
    assert (value, width) == pytest.approx((101.05, 0.3))
    coin = one_pair(100.0, (0.03, 0.032), (0.02, 0.021)) + one_pair(110.0, (0.01, 0.3), (0.05, 0.5))
    chain = chain_of([row._replace(forward=1.0) for row in coin], is_inverse=True)
    value, width = parity_of(chain)
    low, high = 100.0 / (1.0 - 0.009), 100.0 / (1.0 - 0.012)
    assert (value, width) == pytest.approx((0.5 * (low + high), high - low))
    assert (low, high) == pytest.approx((100.908, 101.215), abs=1e-3)


@given(
    st.floats(50.0, 200.0),
    st.floats(0.2, 1.5),
    st.floats(0.0, 0.2),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_SURF_021_parity_is_within_the_bounds(
    forward: float, volatility: float, spread: float, is_inverse: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    strikes = np.sort(forward * np.exp(random.normal(0.0, 0.2, 12)))
    calls, puts = (black76_price(c, forward, strikes, volatility, 0.1) for c in (True, False))
    rows = []
    for is_call, price in ((True, calls), (False, puts)):
        low, high = (price * (1.0 + sign * spread * random.random(12)) for sign in (-1.0, 1.0))
        rows += [
            Option(36.5, forward, float(k), is_call, float(b), float(a))
            for k, b, a in zip(strikes, low, high, strict=True)
        ]
    chain = chain_of(rows, is_inverse=is_inverse)
    value, width = parity_of(chain)
    bid, ask = (np.reshape(side, (2, 12)) for side in (chain.bid, chain.ask))
    low, high = bid[0] - ask[1], ask[0] - bid[1]
    lows, highs = (strikes / (1.0 - x) if is_inverse else strikes + x for x in (low, high))
    slack = 1e-9 * forward
    assert lows.min() - slack <= value <= highs.max() + slack
    inside = (lows - slack <= value) & (value <= highs + slack)
    assert inside.any()
    assert width == pytest.approx(max((highs - lows).min(), 0.0), abs=2e-8 * strikes.max())
    if spread == 0.0:
        assert value == pytest.approx(forward, rel=1e-9)


@given(st.integers(0, 8), st.floats(0.01, 50.0), st.booleans())
def test_SURF_022_one_wild_strike_moves_nothing(at: int, factor: float, is_ask: bool) -> None:
    rows = pairs(30.0, 100.0)
    side = "ask" if is_ask else "bid"
    wild = [row._replace(**{side: getattr(row, side) * factor}) for row in rows[at : at + 1]]
    found = forwards_of(chain_of([*rows[:at], *wild, *rows[at + 1 :]]))
    assert found.value[0] == pytest.approx(100.0, abs=0.06)


def test_SURF_023_the_order_of_the_sources() -> None:
    told = chain_of(pairs(30.0, 100.0, told=103.0), is_synthetic=np.ones(18, np.bool_))
    assert forwards_of(told).source == [ForwardSource.PARITY]
    one = chain_of(
        [row._replace(forward=103.0) for row in one_pair(100.0, (3.0, 3.2), (2.0, 2.1))],
        is_synthetic=np.ones(2, np.bool_),
    )
    found = forwards_of(one)
    assert (found.source, found.value[0]) == ([ForwardSource.VENUE], 103.0)
    assert np.isnan(found.parity[0])


def test_SURF_023_the_nearest_expiry_then_the_index_then_none() -> None:
    lonely = one_pair(100.0, (3.0, 3.2), (2.0, 2.1))[:1]
    known = pairs(20.0, 102.0, told=102.0) + pairs(300.0, 130.0, told=130.0)
    found = forwards_of(chain_of(known + lonely))
    assert found.source == [ForwardSource.FUTURE, ForwardSource.CARRY, ForwardSource.FUTURE]
    assert found.value[1] == 102.0
    alone = forwards_of(chain_of(lonely))
    assert (alone.source, alone.value[0]) == ([ForwardSource.CARRY], 100.0)
    nothing = forwards_of(chain_of(lonely, index=np.array([NAN])))
    assert nothing.source == [ForwardSource.NONE]
    assert np.isnan(nothing.value[0])


def test_SURF_023_an_expiry_without_a_forward_says_so() -> None:
    good = quoted(30.0, 100.0, STRIKES, 0.6)
    lonely = [row._replace(days=60.0, forward=NAN) for row in good[:2]]
    surface = fit_surface(chain_of(good + lonely, index=np.full(11, NAN)))
    assert [QuoteUse(use) for use in surface.points.use[9:]] == [QuoteUse.NO_FORWARD] * 2
    assert [QuoteUse(use) for use in surface.points.use[:9]] == [QuoteUse.USED] * 9


def test_SURF_024_the_forward_between_expiries() -> None:
    rows: list[Any] = [
        *quoted(36.5, 102.0, STRIKES, 0.6),
        *quoted(182.5, 110.0, STRIKES, 0.6),
    ]
    surface = fit_surface(chain_of(rows))
    found = surface.forward([0.0, 0.1, 0.3, 0.5, 0.9])
    expected = [100.0, 102.0, (102.0 * 110.0) ** 0.5, 110.0, 110.0**2 / 102.0]
    assert found.tolist() == pytest.approx(expected, rel=1e-12)
    assert surface.forward(0.3).shape == ()
    assert surface.forward([[0.3, np.nan]]).shape == (1, 2)
    assert np.isnan(surface.forward([[0.3, np.nan]])[0, 1])
    at = surface.implied_volatility([90.0, 102.0], 0.1)
    assert at.tolist() == surface.implied_volatility([90.0, 102.0], 0.1, 102.0).tolist()
