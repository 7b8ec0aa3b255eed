"""What came out of a fit, expiry by expiry: errors, quotes met, and arbitrage on a dense grid."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steelyard.models.forwards import ForwardSource
from steelyard.models.quotes import QuoteUse
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.smile_values import smile_columns
from steelyard.valuation.smiles import RHO, B
from steelyard.valuation.surfaces import YEAR_US

if TYPE_CHECKING:
    from steelyard.models.surface import Surface

Floats = NDArray[np.float64]

DENSE_K = np.linspace(-1.5, 1.5, 6001)
DENSE_POINTS = 4001  # over the quoted strikes and two widths beyond
DELTA_LEAST = 0.02
PRICE_SLACK = 1e-9  # of the forward: a price at the bid is inside


class SliceSource(StrEnum):
    """Where the smile of an expiry comes from, and what had to be done to it.

    fitted alone; fitted jointly with a neighbour it would have crossed, or held where it allowed arbitrage;
    softened towards its base for the same reason; scaled, since it has few quotes of its own: the chain's
    shape at their level; interpolated or extrapolated by the surface's rule, since it has none.
    """

    FITTED = "fitted"
    JOINT = "joint"
    SOFTENED = "softened"
    SCALED = "scaled"
    INTERPOLATED = "interpolated"
    EXTRAPOLATED = "extrapolated"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SliceReport:
    """How one expiry came out.

    row: of the smile table, −1 if it has none. used, quotes: how many quotes served, of how many. rmse: of
    the volatilities fitted, in volatility points against the target, over the quotes used; rmse_mark: against
    the venue's mark where |delta| > 0.02. inside: share of two-sided quotes whose fitted price lies within
    bid and ask. least_durrleman, at_k: the least g on the dense grid and where. calendar_distance: the
    least total variance above the smile before it (NaN for the first). wings: slopes of total variance.
    """

    expiry_us: int
    time_years: float
    forward: float
    forward_source: ForwardSource
    source: SliceSource
    row: int
    used: int
    quotes: int
    volatility_at_money: float
    rmse: float
    rmse_mark: float
    inside: float
    least_durrleman: float
    at_k: float
    calendar_distance: float
    wings: tuple[float, float]


def report_slices(surface: Surface) -> list[SliceReport]:
    """Return the report of each expiry of the chain, in order."""
    reports: list[SliceReport] = []
    before = -1
    for i in range(len(surface.row_of)):
        row = int(surface.row_of[i])
        reports.append(_report(surface, i, row, before))
        before = row if row >= 0 else before
    return reports


def _report(surface: Surface, i: int, row: int, before: int) -> SliceReport:
    points, quotes = surface.points, surface.quotes
    rows = np.flatnonzero(points.expiry_of == i)
    used = rows[points.use[rows] == QuoteUse.USED]
    years = float((points.expiry_us[i] - surface.time_us) / YEAR_US)
    forward = float(surface.forwards.value[i])
    level = rmse = rmse_mark = inside = least = at = distance = float("nan")
    wings = (float("nan"), float("nan"))
    if years > 0.0 and forward > 0.0:
        strikes = quotes.strike[rows]
        fitted = surface.implied_volatility(strikes, years, forward)
        level = float(surface.implied_volatility(forward, years, forward))
        chosen = points.use[rows] == QuoteUse.USED
        rmse = _rmse(fitted[chosen] - points.target[rows][chosen])
        delta = np.abs(black76_greeks(True, forward, strikes, fitted, years).delta)
        near = (delta > DELTA_LEAST) & (delta < 1.0 - DELTA_LEAST)
        mark = quotes.mark_volatility[rows]
        rmse_mark = _rmse((fitted - mark)[near & (mark > 0.0)])
        inside = _inside(surface, rows, fitted, forward, years)
    if row >= 0:
        k = dense_grid(surface, i, level * np.sqrt(years))
        columns = smile_columns(surface.smiles, row, k)
        place = int(np.argmin(columns.durrleman))
        least, at = float(columns.durrleman[place]), float(k[place])
        b, rho = surface.smiles[row, B], surface.smiles[row, RHO]
        wings = (float(b * (1.0 - rho)), float(b * (1.0 + rho)))
        if before >= 0:
            near_w = smile_columns(surface.smiles, before, k).total_variance
            distance = float(np.min(columns.total_variance - near_w))
    return SliceReport(
        int(points.expiry_us[i]), years, forward, surface.forwards.source[i], surface.sources[i], row,
        len(used), len(rows), level, rmse, rmse_mark, inside, least, at, distance, wings,
    )  # fmt: skip


def dense_grid(surface: Surface, i: int, width: float) -> Floats:
    """Return the log-moneyness at which the smile of expiry i is searched for arbitrage, ascending."""
    rows = np.flatnonzero(surface.points.expiry_of == i)
    k = surface.points.log_moneyness[rows]
    k = k[np.isfinite(k)]
    low, high = (float(k.min()), float(k.max())) if len(k) else (-width, width)
    own = np.linspace(low - 2.0 * width, high + 2.0 * width, DENSE_POINTS)
    return np.sort(np.concatenate([DENSE_K, own]))


def _inside(
    surface: Surface, rows: NDArray[np.int64], fitted: Floats, forward: float, years: float
) -> float:
    """Return the share of two-sided quotes whose price on the surface lies within bid and ask."""
    quotes = surface.quotes
    bid, ask = quotes.bid[rows], quotes.ask[rows]
    both = (bid > 0.0) & (ask >= bid) & np.isfinite(fitted)
    if not both.any():
        return float("nan")
    unit = forward if quotes.is_inverse else 1.0
    price = black76_price(quotes.is_call[rows], forward, quotes.strike[rows], fitted, years) / unit
    slack = PRICE_SLACK * forward / unit
    hit = (price >= bid - slack) & (price <= ask + slack)
    return float(np.mean(hit[both]))


def _rmse(miss: Floats) -> float:
    """Return the root of the mean square in volatility points, NaN of none."""
    found = miss[np.isfinite(miss)]
    return 100.0 * float(np.sqrt(np.mean(found * found))) if len(found) else float("nan")
