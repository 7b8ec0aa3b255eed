"""What the pictures of a surface show, computed once for PNG and HTML: smiles, grids, distances, words.

Widths: log-moneyness divided by √w at the money, so that an expiry of a day and one of a year share an axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.cli.surface_json import arbitrage_record
from steelyard.cli.wiring import time_text
from steelyard.models.quotes import QuoteUse
from steelyard.models.surface import Surface
from steelyard.models.surface_report import SliceReport

Floats = NDArray[np.float64]

CURVE_POINTS = 241
PLACES_MAX = 3
GRID_TIMES, GRID_WIDTHS = 48, 61
WIDTHS_SHOWN = 3.0  # of the surface and of g; quotes reach as far as they do
BEYOND = 0.25  # widths a smile is drawn beyond its quotes
RESIDUAL_CUT = 98.0  # percentile of the residuals that the axis shows in full
DAY_MARKS = (0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 14.0, 30.0, 60.0, 120.0, 240.0, 365.0, 730.0, 1460.0)
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

REASONS = {
    QuoteUse.WIDE: ("wide", "#9FB3C8"),
    QuoteUse.ONE_SIDED: ("one-sided", "#B0B0B0"),
    QuoteUse.STALE: ("stale", "#C3A6D8"),
    QuoteUse.CROSSED: ("crossed", "#E69F00"),
    QuoteUse.DUPLICATE: ("duplicate", "#C8B88A"),
    QuoteUse.OUTLIER: ("outlier", "#D62728"),
    QuoteUse.NO_VOLATILITY: ("no volatility", "#C9C9C9"),
    QuoteUse.BAD_NUMBER: ("bad number", "#8C564B"),
}


@dataclass(frozen=True, slots=True)
class SmileView:
    """One expiry as it is drawn. Volatilities in percent, residuals and half-spreads in points.

    rows: its quotes in the chain, by strike; x: their widths; use: their verdicts.
    curve: the fit at curve_strike, over the used strikes and a little beyond.
    """

    report: SliceReport
    name: str
    days: float
    width: float
    rows: NDArray[np.int64]
    strike: Floats
    is_call: NDArray[np.bool_]
    x: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    fitted: Floats
    residual: Floats
    half_spread: Floats
    use: NDArray[np.int8]
    curve_strike: Floats
    curve: Floats

    @property
    def is_used(self) -> NDArray[np.bool_]:
        """Return which quotes serve the fit."""
        found: NDArray[np.bool_] = self.use == QuoteUse.USED
        return found

    def bounds(self) -> tuple[float, float]:
        """Return the least and the largest volatility worth showing, with some room."""
        used = self.is_used
        seen = np.concatenate([self.curve, self.bid[used], self.ask[used]])
        near = np.isfinite(self.mark) & (np.abs(self.mark - self.fitted) < 0.35 * self.fitted)
        seen = np.concatenate([seen, self.mark[near]])
        seen = seen[np.isfinite(seen)]
        low, high = float(seen.min()), float(seen.max())
        room = max(0.06 * (high - low), 0.5)
        return max(0.0, low - room), high + room


def smile_views(surface: Surface) -> list[SmileView]:
    """Return every expiry of the surface that has a volatility, soonest first."""
    return [
        _view(surface, i, each)
        for i, each in enumerate(surface.slices)
        if each.volatility_at_money > 0.0
    ]


def _view(surface: Surface, i: int, report: SliceReport) -> SmileView:
    points, quotes = surface.points, surface.quotes
    rows = np.flatnonzero(points.expiry_of == i)
    rows = rows[np.argsort(quotes.strike[rows], kind="stable")]
    years, forward = report.time_years, report.forward
    width = report.volatility_at_money * float(np.sqrt(years))
    k = points.log_moneyness[rows]
    used = points.use[rows] == QuoteUse.USED
    reach = k[used] if used.any() else k[np.isfinite(k)]
    low, high = (float(reach.min()), float(reach.max())) if len(reach) else (-width, width)
    low, high = min(low, -width) - BEYOND * width, max(high, width) + BEYOND * width
    curve_strike = forward * np.exp(np.linspace(low, high, CURVE_POINTS))
    fitted = 100.0 * surface.implied_volatility(quotes.strike[rows], years, forward)
    bid, ask = 100.0 * points.bid_volatility[rows], 100.0 * points.ask_volatility[rows]
    mark = quotes.mark_volatility[rows]
    return SmileView(
        report,
        day_name(report.expiry_us),
        years * 365.0,
        width,
        rows,
        quotes.strike[rows],
        quotes.is_call[rows],
        k / width,
        bid,
        ask,
        100.0 * np.where(mark > 0.0, mark, np.nan),
        fitted,
        fitted - 100.0 * points.target[rows],
        0.5 * (ask - bid),
        points.use[rows],
        curve_strike,
        100.0 * surface.implied_volatility(curve_strike, years, forward),
    )


@dataclass(frozen=True, slots=True)
class VolatilityGrid:
    """The surface on a grid. x: widths; days; volatility: percent, (days, x)."""

    x: Floats
    days: Floats
    volatility: Floats


def volatility_grid(surface: Surface) -> VolatilityGrid:
    """Return the surface between its first and last smile, times spaced evenly in their logarithm."""
    first, last = float(surface.times[0]), float(surface.times[-1])
    if len(surface.times) == 1:
        last = 1.05 * first
    years = np.unique(np.concatenate([np.geomspace(first, last, GRID_TIMES), surface.times]))
    x = np.linspace(-WIDTHS_SHOWN, WIDTHS_SHOWN, GRID_WIDTHS)
    width = np.sqrt(surface.total_variance(0.0, years))
    w = surface.total_variance(x[None, :] * width[:, None], years[:, None])
    with np.errstate(invalid="ignore"):
        volatility = 100.0 * np.sqrt(w / years[:, None])
    return VolatilityGrid(x, 365.0 * years, volatility)


def durrleman_lines(
    surface: Surface, views: list[SmileView]
) -> list[tuple[SmileView, Floats, Floats]]:
    """Return (view, widths, g) of each expiry with a smile of its own."""
    lines = []
    for view in views:
        if view.report.row < 0:
            continue
        used = view.x[view.is_used]
        low = min(-WIDTHS_SHOWN, float(used.min()) - 1.0) if len(used) else -WIDTHS_SHOWN
        high = max(WIDTHS_SHOWN, float(used.max()) + 1.0) if len(used) else WIDTHS_SHOWN
        x = np.linspace(low, high, 3 * CURVE_POINTS)
        lines.append((view, x, surface.smile(view.report.row, x * view.width).durrleman))
    return lines


def variance_lines(
    surface: Surface, views: list[SmileView]
) -> tuple[Floats, list[tuple[SmileView, Floats]]]:
    """Return k, and (view, total variance) of each expiry with a smile of its own.

    k covers what the expiries quote, and is the same for all: at equal k the lines must not cross.
    """
    live = [view for view in views if view.report.row >= 0]
    reach = [np.log(view.strike[view.is_used] / view.report.forward) for view in live]
    k_all = np.concatenate([each for each in reach if len(each)] or [np.array([-0.5, 0.5])])
    low, high = max(-1.5, float(k_all.min())), min(1.5, float(k_all.max()))
    k = np.linspace(low, high, 3 * CURVE_POINTS)
    return k, [(view, surface.smile(view.report.row, k).total_variance) for view in live]


def calendar_gaps(lines: list[tuple[SmileView, Floats]]) -> list[tuple[str, Floats]]:
    """Return, for each expiry but the first, by how much of its variance it lies above its neighbour, in %."""
    return [
        (f"{near.name} → {far.name}", 100.0 * (above - below) / above)
        for (near, below), (far, above) in pairwise(lines)
    ]


def residual_limit(views: list[SmileView]) -> float:
    """Return the residual, in points, up to which the axis of residuals shows them in place."""
    found = [np.abs(view.residual[view.is_used]) for view in views]
    every: Any = np.concatenate(found) if found else np.empty(0)
    every = every[np.isfinite(every)]
    if not len(every):
        return 1.0
    return float(np.clip(1.3 * np.percentile(every, RESIDUAL_CUT), 0.5, 10.0))


def strike_ticks(low: float, high: float) -> list[float]:
    """Return a few round strikes between two, for an axis in their logarithm.

    >>> strike_ticks(61_000.0, 69_500.0), strike_ticks(30_000.0, 290_000.0)
    ([62000.0, 64000.0, 66000.0, 68000.0], [50000.0, 100000.0, 200000.0])
    """
    if high > 2.5 * low:
        tens = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1.0)
        steps = (1.0, 2.0, 5.0) if high > 8.0 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        found = [float(step * ten) for ten in tens for step in steps]
    else:
        raw = (high - low) / 5.0
        ten = 10.0 ** float(np.floor(np.log10(raw)))
        step = next(each * ten for each in (1.0, 2.0, 5.0, 10.0) if each * ten >= raw)
        found = (step * np.arange(np.ceil(low / step), high / step + 1.0)).tolist()
    return [tick for tick in found if low < tick < high]


def day_ticks(low: float, high: float) -> list[float]:
    """Return the usual times between two, in days, the first of the two if there is none."""
    inside = [mark for mark in DAY_MARKS if 0.99 * low <= mark <= 1.01 * high]
    return inside or [low]


def headline(surface: Surface) -> tuple[str, str]:
    """Return the two lines under the title of a picture: what was fitted, and how it came out."""
    moment = time_text(surface.time_us)[:19].replace("T", " ")
    index = f"index {surface.index:,.2f}   ·   " if surface.index > 0.0 else ""
    live = [each for each in surface.slices if each.row >= 0]
    used, total = sum(each.used for each in surface.slices), len(surface.quotes)
    verdict = _verdict(surface.slices)
    return (
        f"{moment} UTC   ·   {index}{len(live)} of {len(surface.slices)} expiries with a smile   ·   "
        f"fitted to {surface.settings.target.value}",
        f"{used:,} of {total:,} quotes serve the fit   ·   {verdict}",
    )


def _verdict(slices: list[SliceReport]) -> str:
    """Return the verdict on arbitrage in a line, with the first places where there is some."""
    found = arbitrage_record(slices)
    places = [f"butterfly in {each['expiry']}" for each in found["butterflies"]]
    places += [f"{each['expiry']} below {each['before']}" for each in found["calendars"]]
    if not places:
        return "no butterfly, no calendar arbitrage"
    more = len(places) - PLACES_MAX
    return f"ARBITRAGE: {', '.join(places[:PLACES_MAX])}" + (
        f" and {more} more" if more > 0 else ""
    )


def day_name(time_us: int) -> str:
    """Return a day as it is written in pictures.

    >>> day_name(1_774_598_400_000_000)
    '27 Mar 2026'
    """
    year, month, day = time_text(time_us)[:10].split("-")
    return f"{int(day)} {MONTHS[int(month) - 1]} {year}"


def days_text(days: float) -> str:
    """Return a time to expiry in words.

    >>> days_text(0.437), days_text(1.44), days_text(45.9)
    ('10 h', '1.4 d', '46 d')
    """
    if days < 1.0:
        return f"{days * 24:.0f} h"
    return f"{days:.1f}".removesuffix(".0") + " d" if days < 3.0 else f"{days:.0f} d"


def strike_text(strike: float) -> str:
    """Return a strike as an axis shows it.

    >>> strike_text(70_000.0), strike_text(0.25)
    ('70,000', '0.25')
    """
    return f"{strike:,.0f}" if strike >= 1000.0 else f"{strike:.6g}"


def number_text(value: float, shape: str) -> str:
    """Return a number in a shape with a true minus, a dash for none.

    >>> number_text(-0.5, ".2f"), number_text(float("nan"), ".2f")
    ('−0.50', '–')
    """
    return "–" if value != value else f"{value:{shape}}".replace("-", "−")
