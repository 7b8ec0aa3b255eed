"""Shared by the surface tests: chains made by formula, smiles read independently, a search for arbitrage.

Nothing here calls the evaluation it judges: a smile's row is read with numpy and truncated powers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.feeds.tables import NO_TIME
from steelyard.models.surface import Surface
from steelyard.valuation.black76 import black76_price

Floats = NDArray[np.float64]

START_US = 1_767_254_400_000_000  # 2026-01-01 08:00 UTC
DAY_US = 86_400_000_000
YEAR_US = 365 * DAY_US
MARKET = np.unique(np.concatenate([np.arange(-3000, 3001) * 5e-4, np.arange(-1000, 1001) * 1e-4]))
FAR = np.linspace(-6.0, 6.0, 2401)


class Option(NamedTuple):
    """One row of a chain; prices in the unit of the strike."""

    days: float
    forward: float
    strike: float
    is_call: bool
    bid: float
    ask: float
    mark_volatility: float = float("nan")


def chain_of(options: Sequence[Any], is_inverse: bool = False, **columns: ArrayLike) -> ChainQuotes:
    """Return the options as a chain on the index 100; `columns` replace whole columns of it."""
    rows = [Option(*each) for each in options]
    count = len(rows)
    part = {name: np.array([getattr(row, name) for row in rows], float) for name in Option._fields}
    unit = part["forward"] if is_inverse else np.ones(count)
    found: dict[str, Any] = {
        "row": np.arange(1, count + 1),
        "expiry_us": START_US + np.round(part["days"] * DAY_US).astype(np.int64),
        "strike": part["strike"],
        "is_call": part["is_call"].astype(np.bool_),
        "bid": part["bid"] / unit,
        "ask": part["ask"] / unit,
        "mark_volatility": part["mark_volatility"],
        "forward": part["forward"],
        "is_synthetic": np.zeros(count, np.bool_),
        "index": np.full(count, 100.0),
        "quote_time_us": np.full(count, NO_TIME),
    }
    return ChainQuotes("X", START_US, is_inverse, **(found | columns))


def quoted(
    days: float,
    forward: float,
    strikes: ArrayLike,
    volatilities: ArrayLike,
    spread: float = 1e-3,
    is_call: ArrayLike | None = None,
) -> list[Option]:
    """Return quotes around Black prices, out of the money unless said; spread: of the price, whole."""
    k, v = np.broadcast_arrays(np.asarray(strikes, float), np.asarray(volatilities, float))
    flags = k >= forward if is_call is None else np.broadcast_to(is_call, k.shape)
    price = black76_price(flags, forward, k, v, days / 365.0)
    half = 0.5 * spread
    return [
        Option(
            days, forward, float(a), bool(c), float(p * (1 - half)), float(p * (1 + half)), float(s)
        )
        for a, c, p, s in zip(k, flags, price, v, strict=True)
    ]


def spline(y: Floats, order: int) -> Floats:
    """Return the cubic B-spline on [0, 4] with whole knots, or its first or second derivative."""
    degree = 3 - order
    scale = {3: 6.0, 2: 2.0, 1: 1.0}[degree]
    terms = (np.maximum(y - j, 0.0) ** degree * c for j, c in enumerate((1, -4, 6, -4)))
    return np.where(y < 4.0, sum(terms, np.zeros_like(y)), 0.0) / scale


def read_smile(row: Floats, k: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return (w, w', w'') of a smile's row."""
    x = np.asarray(k, float)
    a, b, rho, m, sigma, start, inverse_step, count = row[:8]
    r = np.sqrt((x - m) ** 2 + sigma**2)
    found = [
        a + b * (rho * (x - m) + r),
        b * (rho + (x - m) / r),
        b * sigma**2 / r**3,
    ]
    for j in range(int(count)):
        y = (x - start) * inverse_step - j
        for order in range(3):
            found[order] = found[order] + row[8 + j] * inverse_step**order * spline(y, order)
    return found[0], found[1], found[2]


def durrleman_of(row: Floats, k: ArrayLike) -> Floats:
    """Return g of a smile's row, −1 where total variance is not above zero."""
    w, first, second = read_smile(row, k)
    with np.errstate(all="ignore"):
        lean = 1.0 - np.asarray(k) * first / (2.0 * w)
        g = lean**2 - 0.25 * first**2 * (1.0 / w + 0.25) + 0.5 * second
    return np.where(w > 0.0, g, -1.0)


def places_of(surface: Surface, expiries: Sequence[int]) -> Floats:
    """Return |k| ≤ 1.5 in steps of 5e-4, |k| ≤ 0.1 in steps of 1e-4, and 4,001 places over these quotes."""
    points = surface.points
    mine = points.log_moneyness[np.isin(points.expiry_of, expiries)]
    mine = mine[np.isfinite(mine)]
    return np.unique(np.concatenate([MARKET, np.linspace(mine.min(), mine.max(), 4001)]))


def arbitrage_of(surface: Surface, k: ArrayLike | None = None) -> list[str]:
    """Return what is wrong with the smiles: butterflies, calendar trades, steep wings.

    k: where to look; by default `places_of` the expiry, and of both expiries for calendar trades.
    """
    wrong: list[str] = []
    expiries = np.flatnonzero(surface.row_of >= 0).tolist()
    for i, row in enumerate(surface.smiles):
        if not np.isfinite(row).all():
            wrong.append(f"smile {i}: not finite")
            continue
        places = places_of(surface, expiries[i : i + 1]) if k is None else np.asarray(k, float)
        g = durrleman_of(row, places)
        if g.min() < 0.0:
            wrong.append(f"smile {i}: butterfly g = {g.min():.3g} at k = {places[g.argmin()]:.6g}")
        steepest = row[1] * (1.0 + abs(row[2]))
        if steepest > 2.0:
            wrong.append(f"smile {i}: a wing rises by {steepest:.3g}, Lee allows 2")
        if i > 0:
            places = places_of(surface, expiries[i - 1 : i + 1]) if k is None else places
            gap = read_smile(row, places)[0] - read_smile(surface.smiles[i - 1], places)[0]
            if gap.min() < 0.0:
                at = places[gap.argmin()]
                wrong.append(f"smile {i}: calendar {gap.min():.3g} at k = {at:.6g}")
    return wrong


def level_of(surface: Surface) -> float:
    """Return the highest total variance at the money over the highest that a used quote tells."""
    used = surface.points.use == 0
    told = surface.points.target[used] ** 2 * surface.points.time_years[used]
    return float(max(read_smile(row, 0.0)[0] for row in surface.smiles) / told.max())
