"""Quotes become points with verdicts: every verdict, its rank, and the good rows that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steelyard.feeds.tables import NO_TIME
from steelyard.models.quotes import FitTarget, QuoteUse, SurfaceSettings
from steelyard.models.surface import Surface
from steelyard.models.surface_fit import fit_surface
from steelyard.quantities import InputError
from tests.models.surface_roles import START_US, Option, chain_of, quoted

NAN, INFINITE = float("nan"), float("inf")
DAYS = 30.0
STRIKES = np.round(100.0 * np.exp(0.6 * np.sqrt(DAYS / 365) * np.linspace(-2.4, 2.4, 17)), 2)
EXAMPLE = quoted(DAYS, 100.0, STRIKES, 0.6)
VEGA = 11.39  # of the option at the money, for a volatility of 1


def verdicts(surface: Surface) -> list[QuoteUse]:
    """The verdict of each row."""
    return [QuoteUse(use) for use in surface.points.use]


def with_row(at: int, **changes: Any) -> list[Option]:
    """The example with one row changed."""
    rows = list(EXAMPLE)
    rows[at] = rows[at]._replace(**changes)
    return rows


def assert_others_stay(surface: Surface, at: int) -> None:
    """All rows but one are used, and met."""
    assert [i for i, use in enumerate(verdicts(surface)) if use is not QuoteUse.USED] == [at]
    others = np.delete(STRIKES, at)
    found = surface.implied_volatility(others, DAYS / 365, 100.0)
    assert np.abs(found - 0.6).max() < 1e-4


BAD_ROWS = [
    ({"bid": -1.0}, QuoteUse.BAD_NUMBER),
    ({"ask": -1.0}, QuoteUse.BAD_NUMBER),
    ({"ask": INFINITE}, QuoteUse.BAD_NUMBER),
    ({"bid": INFINITE}, QuoteUse.BAD_NUMBER),
    ({"strike": 0.0}, QuoteUse.BAD_NUMBER),
    ({"strike": -5.0}, QuoteUse.BAD_NUMBER),
    ({"strike": NAN}, QuoteUse.BAD_NUMBER),
    ({"strike": INFINITE}, QuoteUse.BAD_NUMBER),
    ({"bid": NAN}, QuoteUse.ONE_SIDED),
    ({"bid": 0.0}, QuoteUse.ONE_SIDED),
    ({"ask": NAN}, QuoteUse.ONE_SIDED),
    ({"bid": 0.0, "ask": 0.0}, QuoteUse.ONE_SIDED),
    ({"bid": 5.0, "ask": 4.0}, QuoteUse.CROSSED),
    ({"days": 0.0}, QuoteUse.EXPIRED),
    ({"days": -40.0}, QuoteUse.EXPIRED),
]


@pytest.mark.parametrize(("changes", "verdict"), BAD_ROWS)
@pytest.mark.parametrize("at", [0, 8, 16])
def test_SURF_001_a_bad_row_costs_its_own_row(
    changes: dict[str, float], verdict: QuoteUse, at: int
) -> None:
    surface = fit_surface(chain_of(with_row(at, **changes)))
    assert verdicts(surface)[at] is verdict
    assert_others_stay(surface, at)


def test_SURF_001_many_bad_rows_leave_the_good_ones() -> None:
    bad = [EXAMPLE[i]._replace(**changes) for i, (changes, _) in enumerate(BAD_ROWS)]
    surface = fit_surface(chain_of([*bad, *EXAMPLE]))
    assert verdicts(surface)[: len(bad)] == [
        # A repeated option counts by its first row, also where that row is bad.
        verdict
        for _, verdict in BAD_ROWS
    ]
    found = surface.implied_volatility(STRIKES, DAYS / 365, 100.0)
    assert np.abs(found - 0.6).max() < 2e-3


@pytest.mark.parametrize("missing", [{"bid": 0.0}, {"bid": NAN}, {"ask": NAN}])
def test_SURF_002_one_side_is_enough_for_the_mark(missing: dict[str, float]) -> None:
    chain = chain_of(with_row(8, **missing))
    assert verdicts(fit_surface(chain))[8] is QuoteUse.ONE_SIDED
    surface = fit_surface(chain, SurfaceSettings(target=FitTarget.MARK))
    assert set(verdicts(surface)) == {QuoteUse.USED}


def test_SURF_003_the_first_of_equal_options_counts() -> None:
    wrong = EXAMPLE[8]._replace(bid=EXAMPLE[8].bid * 1.05, ask=EXAMPLE[8].ask * 1.05)
    surface = fit_surface(chain_of([*EXAMPLE, wrong]))
    assert verdicts(surface)[17] is QuoteUse.DUPLICATE
    assert verdicts(surface)[:17] == [QuoteUse.USED] * 17
    assert np.abs(surface.implied_volatility(STRIKES, DAYS / 365, 100.0) - 0.6).max() < 1e-4
    both = [row._replace(is_call=not row.is_call) for row in EXAMPLE[7:10]]
    pairs = fit_surface(chain_of([*EXAMPLE, *both]))
    assert QuoteUse.DUPLICATE not in verdicts(pairs)
    later = quoted(60.0, 100.0, STRIKES, 0.6)
    assert QuoteUse.DUPLICATE not in verdicts(fit_surface(chain_of([*EXAMPLE, *later])))


def test_SURF_004_age_is_judged_where_it_is_known() -> None:
    ages = {3: 60_000_001, 5: 60_000_000, 9: 59_000_000}
    times = np.full(17, NO_TIME)
    for at, age in ages.items():
        times[at] = START_US - age
    chain = chain_of(EXAMPLE, quote_time_us=times)
    surface = fit_surface(chain, SurfaceSettings(stale_after_us=60_000_000))
    assert verdicts(surface)[3] is QuoteUse.STALE
    assert_others_stay(surface, 3)
    assert set(verdicts(fit_surface(chain))) == {QuoteUse.USED}


def test_SURF_005_below_intrinsic_has_no_volatility() -> None:
    below = Option(DAYS, 100.0, 80.0, True, 19.0, 19.5)
    surface = fit_surface(chain_of([*EXAMPLE, below]))
    assert verdicts(surface)[17] is QuoteUse.NO_VOLATILITY
    assert_others_stay_all(surface)


def assert_others_stay_all(surface: Surface) -> None:
    """The example's rows are used and met."""
    assert verdicts(surface)[:17] == [QuoteUse.USED] * 17
    assert np.abs(surface.implied_volatility(STRIKES, DAYS / 365, 100.0) - 0.6).max() < 1e-4


@pytest.mark.parametrize(("width", "verdict"), [(1.2, QuoteUse.WIDE), (1.0, QuoteUse.USED)])
def test_SURF_006_a_wide_quote_says_nothing(width: float, verdict: QuoteUse) -> None:
    middle = 0.5 * (EXAMPLE[8].bid + EXAMPLE[8].ask)
    rows = with_row(8, bid=middle - 0.5 * width, ask=middle + 0.5 * width)
    surface = fit_surface(chain_of(rows))
    assert verdicts(surface)[8] is verdict
    assert np.abs(surface.implied_volatility(STRIKES, DAYS / 365, 100.0) - 0.6).max() < 1e-3


@pytest.mark.parametrize("at", [0, 4, 8, 12, 16])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_SURF_007_a_wild_price_does_not_serve(at: int, factor: float) -> None:
    rows = with_row(at, bid=EXAMPLE[at].bid * factor, ask=EXAMPLE[at].ask * factor)
    surface = fit_surface(chain_of([*rows, *quoted(60.0, 100.0, STRIKES, 0.6)]))
    assert verdicts(surface)[at] in (QuoteUse.NO_VOLATILITY, QuoteUse.OUTLIER, QuoteUse.WIDE)
    others = [use for i, use in enumerate(verdicts(surface)) if i != at]
    assert others == [QuoteUse.USED] * 33
    assert np.abs(surface.implied_volatility(STRIKES, DAYS / 365, 100.0) - 0.6).max() < 1e-3


def test_SURF_007_a_volatility_off_the_smile_is_an_outlier() -> None:
    wild = quoted(DAYS, 100.0, STRIKES[8:9], 0.75)[0]
    surface = fit_surface(chain_of(with_row(8, bid=wild.bid, ask=wild.ask)))
    assert verdicts(surface)[8] is QuoteUse.OUTLIER
    assert_others_stay(surface, 8)


def test_SURF_008_the_graver_verdict_is_told() -> None:
    crossed = {"bid": 5.0, "ask": 4.0}
    cases: list[tuple[dict[str, float], QuoteUse]] = [
        (crossed | {"days": -1.0}, QuoteUse.EXPIRED),
        ({"bid": 5.0, "ask": -4.0, "days": -1.0}, QuoteUse.BAD_NUMBER),
        ({"bid": 0.0, "days": -1.0}, QuoteUse.EXPIRED),
    ]
    for changes, verdict in cases:
        assert verdicts(fit_surface(chain_of(with_row(8, **changes))))[8] is verdict
    again = chain_of([*EXAMPLE, EXAMPLE[8]._replace(**crossed)])
    assert verdicts(fit_surface(again))[17] is QuoteUse.DUPLICATE


def test_SURF_009_uncertainty_is_half_the_spread_over_vega() -> None:
    at_money = quoted(DAYS, 100.0, [100.0], 0.6)[0]
    middle = 0.5 * (at_money.bid + at_money.ask)
    for width, expected in ((0.2, 0.00978), (1e-4, 0.001 + 0.005 / VEGA)):
        row = at_money._replace(bid=middle - 0.5 * width, ask=middle + 0.5 * width)
        points = fit_surface(chain_of([*EXAMPLE[:8], row, *EXAMPLE[9:]])).points
        assert points.uncertainty[8] == pytest.approx(expected, abs=1e-5)
        assert points.target[8] == pytest.approx(0.6, abs=1e-4)
        assert points.log_moneyness[8] == 0.0
        assert points.bid_volatility[8] < points.target[8] < points.ask_volatility[8]


NOTHING_SERVES: list[tuple[str, list[Option], dict[str, Any]]] = [
    ("crossed=17", [row._replace(bid=row.ask, ask=row.bid) for row in EXAMPLE], {}),
    ("expired=17", [row._replace(days=-1.0) for row in EXAMPLE], {}),
    ("bad_number=17", [row._replace(strike=-row.strike) for row in EXAMPLE], {}),
    ("one_sided=17", [row._replace(bid=0.0) for row in EXAMPLE], {}),
    (
        "no_forward=17",
        [row._replace(forward=NAN) for row in EXAMPLE],
        {"index": np.full(17, NAN)},
    ),
    (
        "no_forward=17",
        [row._replace(forward=INFINITE) for row in EXAMPLE],
        {"index": np.full(17, NAN)},
    ),
    ("used=1", EXAMPLE[8:9], {}),
    ("used=4", EXAMPLE[6:10], {}),
]


@pytest.mark.parametrize(("counted", "rows", "columns"), NOTHING_SERVES)
def test_SURF_010_nothing_serves(counted: str, rows: list[Option], columns: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=counted) as caught:
        fit_surface(chain_of(rows, **columns))
    assert caught.value.code == "SURF-E01"
    assert f"none of {len(rows)} quotes of X" in caught.value.message


def test_SURF_010_empty_chain_and_no_mark() -> None:
    with pytest.raises(InputError) as caught:
        fit_surface(chain_of(EXAMPLE).select(np.array([], np.int64)))
    assert caught.value.code == "SURF-E01"
    bare = [row._replace(mark_volatility=NAN) for row in EXAMPLE]
    with pytest.raises(InputError) as caught:
        fit_surface(chain_of(bare), SurfaceSettings(target=FitTarget.MARK))
    assert (caught.value.code, caught.value.where["field"]) == ("SURF-E02", "mark_iv")
