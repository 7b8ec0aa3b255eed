"""A fitted surface as plain data: what `steelyard surface --json` prints and `surface.json` holds.

Numbers keep their full precision; one that does not exist (a distance before the first expiry) is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from steelyard.cli.wiring import time_text
from steelyard.feeds.option_chain import ChainQuotes, RejectedRow
from steelyard.feeds.tables import NO_TIME
from steelyard.models.quotes import QuoteUse, SurfaceSettings
from steelyard.models.surface import Surface
from steelyard.models.surface_report import SliceReport
from steelyard.valuation.smiles import (
    COUNT,
    FIRST_COEFFICIENT,
    INVERSE_STEP,
    RHO,
    SIGMA,
    START,
    A,
    B,
    M,
)

DEGREE = 3  # of the correction's spline: it reaches so many knots beyond its coefficients


def settings_record(settings: SurfaceSettings) -> dict[str, Any]:
    """Return what a fit was asked for; the age in seconds, null for any age."""
    record: dict[str, Any] = {"target": settings.target.value}
    age = settings.stale_after_us
    record["stale_after_seconds"] = None if age is None else age / 1e6
    for name in (
        "wide_volatility",
        "floor_volatility",
        "least_price_error",
        "outlier_share",
        "outlier_spreads",
        "least_strikes",
        "ridge",
        "knot_widths",
    ):
        record[name] = getattr(settings, name)
    return record


def surface_record(surface: Surface, *, with_quotes: bool) -> dict[str, Any]:
    """Return slices, smiles, verdicts and arbitrage of one surface; every quote if asked."""
    slices = surface.slices
    record: dict[str, Any] = {
        "underlying": surface.underlying,
        "index": surface.index,
        "prices": "coin" if surface.quotes.is_inverse else "usd",
        "quotes_count": len(surface.quotes),
        "verdicts": count_verdicts(surface),
        "arbitrage": arbitrage_record(slices),
        "slices": [slice_record(each) for each in slices],
        "smiles": [smile_record(surface, each) for each in slices if each.row >= 0],
    }
    if with_quotes:
        record["quotes"] = quote_records(surface)
    return record


def count_verdicts(surface: Surface) -> dict[str, int]:
    """Return how many quotes have each verdict, used first; verdicts that none has are left out."""
    counts = np.bincount(surface.points.use, minlength=len(QuoteUse))
    return {use.name.lower(): int(counts[use]) for use in QuoteUse if counts[use] or not use}


def arbitrage_record(slices: Sequence[SliceReport]) -> dict[str, Any]:
    """Return where the surface's dense grid shows a trade without risk, if anywhere.

    A calendar entry's `before` is the expiry whose smile lies above its later neighbour's.
    """
    live = [each for each in slices if each.row >= 0]
    butterflies = [
        {"expiry": day_text(each.expiry_us), "log_moneyness": each.at_k, "g": each.least_durrleman}
        for each in live
        if not each.least_durrleman >= 0.0
    ]
    calendars = [
        {
            "expiry": day_text(each.expiry_us),
            "before": day_text(before.expiry_us),
            "distance": each.calendar_distance,
        }
        for before, each in pairwise(live)
        if each.calendar_distance < 0.0
    ]
    return {
        "is_free": not butterflies and not calendars,
        "butterflies": butterflies,
        "calendars": calendars,
    }


def slice_record(each: SliceReport) -> dict[str, Any]:
    """Return one row of the fit table; errors in volatility points, shares as fractions of 1."""
    return {
        "expiry": time_text(each.expiry_us),
        "days": each.time_years * 365.0,
        "forward": each.forward,
        "forward_source": each.forward_source.value,
        "source": each.source.value,
        "quotes_used": each.used,
        "quotes": each.quotes,
        "volatility_at_money": each.volatility_at_money,
        "rmse_points": each.rmse,
        "rmse_mark_points": each.rmse_mark,
        "inside_share": each.inside,
        "least_g": each.least_durrleman,
        "least_g_log_moneyness": each.at_k,
        "calendar_distance": each.calendar_distance,
        "wing_slope_left": each.wings[0],
        "wing_slope_right": each.wings[1],
    }


def smile_record(surface: Surface, each: SliceReport) -> dict[str, Any]:
    """Return the parameters of one smile: total variance as a function of k = ln(strike/forward).

    w(k) = a + b·(rho·(k − m) + √((k − m)² + sigma²)) + Σ_j coefficients[j]·N((k − knots[0])/step − j), with N
    the uniform cubic B-spline on [0, 4] and step the distance of two knots; no correction: no knots.
    """
    row = surface.smiles[each.row]
    count = int(row[COUNT])
    step = 1.0 / float(row[INVERSE_STEP]) if count else 0.0
    start = float(row[START])
    names = {"a": A, "b": B, "rho": RHO, "m": M, "sigma": SIGMA}
    record: dict[str, Any] = {"expiry": time_text(each.expiry_us), "time_years": each.time_years}
    record |= {name: float(row[place]) for name, place in names.items()}
    record["knots"] = [start + j * step for j in range(count + DEGREE + 1)] if count else []
    record["coefficients"] = row[FIRST_COEFFICIENT : FIRST_COEFFICIENT + count].tolist()
    return record


def quote_records(surface: Surface) -> list[dict[str, Any]]:
    """Return every quote with its volatilities, the fit's and its verdict, in the order of the file."""
    quotes, points = surface.quotes, surface.points
    fitted = fitted_volatilities(surface)
    return [
        {
            "row": int(quotes.row[i]),
            "expiry": day_text(int(quotes.expiry_us[i])),
            "strike": float(quotes.strike[i]),
            "type": "call" if quotes.is_call[i] else "put",
            "bid": float(quotes.bid[i]),
            "ask": float(quotes.ask[i]),
            "bid_volatility": float(points.bid_volatility[i]),
            "ask_volatility": float(points.ask_volatility[i]),
            "mark_volatility": float(quotes.mark_volatility[i]),
            "target": float(points.target[i]),
            "uncertainty": float(points.uncertainty[i]),
            "fitted": float(fitted[i]),
            "time": time_or_none(quotes, i),
            "verdict": QuoteUse(points.use[i]).name.lower(),
        }
        for i in range(len(quotes))
    ]


def fitted_volatilities(surface: Surface) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the surface's volatility of each quote, on the forward of its expiry."""
    points = surface.points
    return surface.implied_volatility(surface.quotes.strike, points.time_years, points.forward)


def time_or_none(quotes: ChainQuotes, i: int) -> str | None:
    """Return the time of a quote, None if the source gives none."""
    at = int(quotes.quote_time_us[i])
    return None if at == NO_TIME else time_text(at)


def rejected_records(rejected: Sequence[RejectedRow]) -> list[dict[str, Any]]:
    """Return the rows that are no options."""
    return [{"row": each.row, "field": each.field, "reason": each.reason} for each in rejected]


def day_text(time_us: int) -> str:
    """Return the day of an expiry.

    >>> day_text(1_774_598_400_000_000)
    '2026-03-27'
    """
    return time_text(time_us)[:10]
