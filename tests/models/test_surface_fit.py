"""What a fit does with sound quotes: it meets them, and nothing but the quotes matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.example import example_chain, example_volatility
from steelyard.models.quotes import FitTarget, QuoteUse, SurfaceSettings
from steelyard.models.surface import Surface
from steelyard.models.surface_fit import fit_surface
from tests.models.surface_roles import (
    FAR,
    Option,
    arbitrage_of,
    chain_of,
    quoted,
    read_smile,
)

Floats = NDArray[np.float64]
NAN = float("nan")
# A seed cannot be made smaller in a way that means anything.
FOUND_IS_ENOUGH = (Phase.explicit, Phase.generate)


def strikes(days: float, count: int = 17, reach: float = 2.4, volatility: float = 0.6) -> Floats:
    """Strikes over a reach in widths of the distribution."""
    width = volatility * np.sqrt(days / 365.0)
    found: Floats = np.round(100.0 * np.exp(width * np.linspace(-reach, reach, count)), 2)
    return found


def flat(days: float, volatility: float = 0.6, **more: Any) -> list[Option]:
    """An expiry of 17 strikes of one volatility."""
    return quoted(days, 100.0, strikes(days, volatility=volatility), volatility, **more)


def ssvi(k: Floats, theta: float, rho: float, eta: float, gamma: float) -> Floats:
    """Total variance of a surface free of arbitrage for eta·(1 + |rho|) ≤ 2, gamma ≤ ½ (Gatheral, Jacquier)."""
    phi = eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma))
    root = np.sqrt((phi * k + rho) ** 2 + 1.0 - rho**2)
    found: Floats = 0.5 * theta * (1.0 + rho * phi * k + root)
    return found


def ssvi_quotes(
    days: float, theta: float, k: Floats, shape: tuple[float, float, float]
) -> list[Option]:
    """Quotes 1 % wide on an SSVI smile."""
    volatility = np.sqrt(ssvi(k, theta, *shape) / (days / 365.0))
    return quoted(days, 100.0, 100.0 * np.exp(k), volatility, spread=0.01)


def misses(surface: Surface) -> list[tuple[float, float]]:
    """(root mean square error, of the spread) of each expiry's used quotes, in volatility."""
    points, found = surface.points, []
    for i in range(len(points.expiry_us)):
        rows = np.flatnonzero((points.expiry_of == i) & (points.use == QuoteUse.USED))
        if not len(rows):
            continue
        years = points.time_years[rows]
        fitted = surface.implied_volatility(
            surface.quotes.strike[rows], years, points.forward[rows]
        )
        truth = surface.quotes.mark_volatility[rows]
        spread = (points.ask_volatility - points.bid_volatility)[rows]
        found.append(tuple(float(np.sqrt(np.mean(x**2))) for x in (fitted - truth, spread)))
    return found  # type: ignore[return-value]


def random_ssvi(seed: int) -> list[Option]:
    """1 to 8 expiries of a random sound surface, 5 to 30 strikes each."""
    random = np.random.default_rng(seed)
    days = np.unique(np.round(10.0 ** random.uniform(0.3, 2.9, int(random.integers(1, 9))), 2))
    rho = random.uniform(-0.9, 0.9)
    shape = rho, random.uniform(0.2, 2.0 / (1.0 + abs(rho))), random.uniform(0.1, 0.5)
    steps = np.diff(np.append(0.0, days / 365.0))
    thetas = np.cumsum(steps * random.uniform(0.3, 1.2, len(days)) ** 2)
    rows = []
    for day, theta in zip(days, thetas, strict=True):
        low, high = -random.uniform(0.5, 3.0), random.uniform(0.5, 3.0)
        k = np.linspace(low, high, int(random.integers(5, 31))) * np.sqrt(theta)
        rows += ssvi_quotes(float(day), float(theta), k, shape)
    return rows


@settings(max_examples=40, phases=FOUND_IS_ENOUGH)
@given(st.integers(0, 10**6))
def test_SURF_030_a_sound_surface_is_recovered(seed: int) -> None:
    surface = fit_surface(chain_of(random_ssvi(seed)))
    for error, spread in misses(surface):
        assert error <= spread


def test_SURF_030_the_example_is_recovered() -> None:
    surface = fit_surface(example_chain())
    for days in (1, 7, 30, 90, 180, 360):
        years = days / 365.0
        k = np.linspace(-1.5, 1.5, 7) * 0.5 * np.sqrt(years)
        forward = float(surface.forward(years))
        found = surface.implied_volatility(forward * np.exp(k), years)
        assert np.abs(found - example_volatility(k, years)).max() < 0.006
    assert all(each.rmse < 0.5 for each in surface.slices)


def columns_of(surface: Surface) -> Floats:
    """Volatilities of the surface over strikes in forwards and times."""
    k = np.linspace(-1.0, 1.0, 41)[:, None]
    return surface.total_variance(k, np.array([0.01, 0.1, 0.3, 1.0, 3.0]))


CHAIN = chain_of(flat(10.0, 0.7) + flat(40.0, 0.6) + flat(200.0, 0.55))


def scaled(chain: ChainQuotes, factor: float) -> ChainQuotes:
    """The chain in another unit of money."""
    rows = [
        Option(0.0, f * factor, k * factor, c, b * factor, a * factor, m)
        for f, k, c, b, a, m in zip(
            chain.forward, chain.strike, chain.is_call, chain.bid, chain.ask, chain.mark_volatility, strict=True
        )
    ]  # fmt: skip
    return chain_of(rows, expiry_us=chain.expiry_us, index=chain.index * factor)


@pytest.mark.parametrize("factor", [2.0, 1 / 64, 1000.0, 0.37])
@pytest.mark.parametrize("target", list(FitTarget))
def test_SURF_031_the_unit_of_money_does_not_matter(factor: float, target: FitTarget) -> None:
    chosen = SurfaceSettings(target=target)
    for chain in (CHAIN, example_chain(is_inverse=False)):
        one, other = (fit_surface(each, chosen) for each in (chain, scaled(chain, factor)))
        assert one.points.use.tolist() == other.points.use.tolist()
        if factor in (2.0, 1 / 64):
            assert one.smiles.tobytes() == other.smiles.tobytes()
        assert np.abs(columns_of(one) - columns_of(other)).max() < 1e-9


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, phases=FOUND_IS_ENOUGH)
def test_SURF_032_the_order_of_the_rows_does_not_matter(random: Any) -> None:
    for chain in (CHAIN, example_chain()):
        order = list(range(len(chain)))
        random.shuffle(order)
        one, other = fit_surface(chain), fit_surface(chain.select(np.array(order)))
        assert one.points.use[order].tolist() == other.points.use.tolist()
        assert np.abs(columns_of(one) - columns_of(other)).max() < 1e-9


def test_SURF_033_coin_and_dollar_quotes_alike() -> None:
    coin, dollar = (
        fit_surface(chain_of(flat(10.0, 0.7) + flat(90.0), is_inverse=flag))
        for flag in (True, False)
    )
    assert coin.points.use.tolist() == dollar.points.use.tolist()
    assert np.abs(columns_of(coin) - columns_of(dollar)).max() < 1e-9


def three(days: float, volatility: float) -> list[Option]:
    """Too few quotes for a smile of their own."""
    return quoted(days, 100.0, [95.0, 100.0, 105.0], volatility)


def kinked(days: float) -> list[Option]:
    """Total variances that rise by 3 per unit of k, where Lee allows 2."""
    k = np.log(strikes(days) / 100.0)
    return quoted(days, 100.0, strikes(days), np.sqrt((0.02 + 3.0 * np.abs(k)) / (days / 365.0)))


SOURCES: dict[str, list[Option]] = {
    "fitted": flat(30.0),
    "joint": flat(20.0, 0.62) + flat(21.0, 0.60),
    "softened": kinked(30.0),
    "scaled": flat(30.0) + three(60.0, 0.5),
    "interpolated": [*flat(30.0), flat(40.0)[0]._replace(bid=0.0), *flat(60.0)],
    "extrapolated": [*flat(30.0), flat(40.0)[0]._replace(bid=0.0)],
    "expired": [*flat(30.0), flat(30.0)[0]._replace(days=-1.0)],
}


def test_SURF_034_every_source_is_reached() -> None:
    reached = {
        str(source) for rows in SOURCES.values() for source in fit_surface(chain_of(rows)).sources
    }
    assert reached == set(SOURCES)


@pytest.mark.parametrize("name", ["fitted", "scaled", "interpolated", "extrapolated", "expired"])
def test_SURF_034_a_source_by_its_example(name: str) -> None:
    surface = fit_surface(chain_of(SOURCES[name]))
    assert name in [str(source) for source in surface.sources]
    assert [each.source for each in surface.slices] == surface.sources
    for each, row in zip(surface.slices, surface.row_of, strict=True):
        assert each.row == row
        assert (row < 0) == (each.source in ("interpolated", "extrapolated", "expired"))


def test_SURF_034_between_and_beyond_are_the_rules_of_the_surface() -> None:
    surface = fit_surface(chain_of(SOURCES["interpolated"]))
    k = np.linspace(-0.5, 0.5, 11)
    near, far = (read_smile(row, k)[0] for row in surface.smiles)
    share = 10.0 / 30.0
    found = surface.total_variance(k, 40.0 / 365.0)
    assert np.abs(found - ((1.0 - share) * near + share * far)).max() < 1e-15


def test_SURF_035_few_quotes_have_their_own_level() -> None:
    surface = fit_surface(chain_of(SOURCES["scaled"]))
    found = [float(each.volatility_at_money) for each in surface.slices]
    assert found == pytest.approx([0.6, 0.5], abs=1e-4)


@pytest.mark.parametrize("extra", [three(60.0, 0.3), three(20.0, 1.2), three(31.0, 0.59)])
def test_SURF_036_few_quotes_do_not_move_many(extra: list[Option]) -> None:
    surface = fit_surface(chain_of(flat(30.0) + extra))
    found = surface.implied_volatility(strikes(30.0), 30.0 / 365.0, 100.0)
    assert np.abs(found - 0.6).max() < 0.15
    assert max(each.volatility_at_money for each in surface.slices) < 1.5


@pytest.mark.parametrize("days", [45.0, 180.0])
@pytest.mark.parametrize("count", [5, 9])
def test_SURF_037_an_unquoted_wing_bends_no_other(days: float, count: int) -> None:
    z = np.log(strikes(30.0) / 100.0) / (0.6 * np.sqrt(30.0 / 365.0))
    near = quoted(30.0, 100.0, strikes(30.0), 0.6 + 0.05 * z**2 * 0.45)
    later = quoted(days, 100.0, np.linspace(90.0, 110.0, count), 0.66)
    surface = fit_surface(chain_of(near + later))
    assert [each.rmse < 0.7 for each in surface.slices] == [True, True]


@pytest.mark.parametrize("reach", [1.0, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("rho", [-0.9, -0.7, -0.5, 0.0, 0.9])
def test_SURF_038_a_steep_skew_is_fitted(rho: float, reach: float) -> None:
    theta = 0.36 * 30.0 / 365.0
    k = np.linspace(-reach, reach, 21) * np.sqrt(theta)
    rows = ssvi_quotes(30.0, theta, k, (rho, 0.54, 0.35))
    surface = fit_surface(chain_of(rows))
    ((error, _),) = misses(surface)
    assert error < 0.005
    assert arbitrage_of(surface, FAR) == []


def test_SURF_039_the_report_adds_up() -> None:
    rows = SOURCES["expired"] + flat(60.0, spread=0.02)
    surface = fit_surface(chain_of(rows))
    assert sum(each.quotes for each in surface.slices) == len(rows)
    used = sum(each.used for each in surface.slices)
    assert used == int((surface.points.use == QuoteUse.USED).sum())
    for each in surface.slices[1:]:
        assert each.inside >= 16 / 17
        assert each.rmse < 0.1
        assert each.rmse_mark < 0.1
        assert each.forward == 100.0
    expired = surface.slices[0]
    assert (expired.used, expired.quotes, expired.row) == (0, 1, -1)
    assert np.isnan([expired.rmse, expired.volatility_at_money, expired.least_durrleman]).all()


def test_SURF_039_a_price_outside_is_not_inside() -> None:
    rows = flat(30.0)
    # Two strikes that no smile near the others meets, inside of what counts as an outlier.
    for at in (6, 10):
        shifted = quoted(30.0, 100.0, [rows[at].strike], 0.62)[0]
        rows[at] = rows[at]._replace(bid=shifted.bid, ask=shifted.ask)
    report = fit_surface(chain_of(rows)).slices[0]
    assert report.inside <= 15 / 17
    assert report.rmse > 0.15
