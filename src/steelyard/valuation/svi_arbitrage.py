"""Butterflies and calendars in SVI smiles, searched on an interval of k.

A grid of 0.00005 in k finds where a minimum may lie; around the places where a smile changes fastest
(its centre, its lowest point, the money) the grid is as fine as rounding allows, so that a sharp
kink hides nothing. Every local minimum of the grid is then narrowed by golden sections and every
change of sign by bisection, so a result is that of the curve, not of the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from steelyard.quantities.errors import InputError
from steelyard.valuation.svi import Floats, SviSmile, require_smile

LOW, HIGH = -1.5, 1.5
STEP = 5e-5
COUNTED_AS_ZERO = 1e-12  # a minimum of g above minus this is no butterfly
GOLDEN = 0.6180339887498949
SECTIONS = 60  # GOLDEN^60 = 3e-13 of two steps: finer than a minimum can be told
MINIMA_MAX = 32
BISECTIONS = 60

Curve = Callable[[Floats], Floats]


class Butterflies(NamedTuple):
    """What `find_butterflies` found.

    negative_interval: the smallest and the largest k with g < 0 or w ≤ 0; None without arbitrage.
    """

    is_arbitrage: bool
    min_g: float
    argmin_k: float
    negative_interval: tuple[float, float] | None
    wing_slope: float
    min_total_variance: float


class Calendar(NamedTuple):
    """The least difference of total variance, later less earlier, and the k where it is reached."""

    is_arbitrage: bool
    min_difference: float
    argmin_k: float


def find_butterflies(smile: SviSmile, low: float = LOW, high: float = HIGH) -> Butterflies:
    """Return the minimum of g on [low, high] and what it says.

    is_arbitrage: min g < 0, where a minimum above −1e-12 counts as 0; or w ≤ 0 somewhere: a
    variance that is not positive is no price at all. g is not defined there: min_g and argmin_k are
    then those of the rest of the interval, and the negative interval takes such k in.

    Errors: InputError SVIS-E01 for parameters out of range; SVIS-E04 for an empty interval or one
    on which w is nowhere positive.

    >>> found = find_butterflies(SviSmile(-0.041, 0.1331, 0.306, 0.3586, 0.4153))
    >>> found.is_arbitrage, round(found.min_g, 6), round(found.argmin_k, 4)
    (True, -0.032864, 0.8793)
    >>> [round(k, 4) for k in found.negative_interval]
    [0.6424, 1.2569]
    """
    require_smile(smile)
    grid = search_grid(low, high, smile)
    least = smile.least_total_variance(low, high)
    k, values = narrowed(smile.durrleman, grid)
    if np.isnan(values).all():
        raise InputError(
            "SVIS-E04", f"total variance is {least} at most", field="a",
            rule="total variance is above 0 somewhere on the interval",
            cure="fit the smile again with a least variance above 0",
        )  # fmt: skip
    place = int(np.nanargmin(values))
    lowest = float(values[place])
    is_zero = -COUNTED_AS_ZERO < lowest < 0.0
    is_arbitrage = (lowest < 0.0 and not is_zero) or least <= 0.0
    interval = negative_hull(smile.durrleman, k, values) if is_arbitrage else None
    return Butterflies(
        is_arbitrage, 0.0 if is_zero else lowest, float(k[place]), interval,
        smile.wing_slope, least,
    )  # fmt: skip


def find_calendar(near: SviSmile, far: SviSmile, low: float = LOW, high: float = HIGH) -> Calendar:
    """Return the minimum of w_far − w_near on [low, high]; arbitrage if it is below 0.

    A difference within the rounding of the two variances counts as 0.

    Errors: InputError SVIS-E01 for parameters out of range; SVIS-E04 for an empty interval.

    >>> near = SviSmile(0.02, 0.1, -0.4, 0.0, 0.2)
    >>> find_calendar(near, SviSmile(0.016, 0.1, -0.4, 0.0, 0.2)).is_arbitrage
    True
    """
    require_smile(near)
    require_smile(far)

    def difference(k: Floats) -> Floats:
        result: Floats = far.total_variance(k) - near.total_variance(k)
        return result

    k, values = narrowed(difference, search_grid(low, high, near, far))
    place = int(np.argmin(values))
    lowest, where = float(values[place]), float(k[place])
    if -_rounding(near, where) - _rounding(far, where) < lowest < 0.0:
        lowest = 0.0
    return Calendar(lowest < 0.0, lowest, where)


def _rounding(smile: SviSmile, k: float) -> float:
    """Return how much rounding may move w(k)."""
    z = abs(k - smile.m)
    size = abs(smile.a) + smile.b * (abs(smile.rho) * z + float(smile.radius(k)))
    return 2.0**-52 * size


def search_grid(low: float, high: float, *smiles: SviSmile) -> Floats:
    """Return rising k from low to high, even ones and others ever closer to where smiles turn."""
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(
            "SVIS-E04", f"the interval runs from {low} to {high}", field="interval",
            rule="an interval has finite ends, the lower one first",
            cure="give the ends in rising order",
        )  # fmt: skip
    even = np.linspace(low, high, int(np.ceil((high - low) / STEP)) + 1)
    octaves = np.ldexp(1.0, np.arange(-50, 2))
    distances = (octaves[:, np.newaxis] * (np.arange(8.0, 16.0) / 8.0)).reshape(-1)
    centres = [0.0]
    for smile in smiles:
        centres += [smile.m, smile.lowest_k]
    parts = [even]
    for centre in centres:
        if np.isfinite(centre):
            parts += [centre - distances, np.array([centre]), centre + distances]
    for smile in smiles:
        parts.append(smile.m + smile.sigma * np.linspace(-4.0, 4.0, 257))
    k = np.unique(np.concatenate(parts))
    result: Floats = k[(k >= low) & (k <= high)]
    return result


def narrowed(curve: Curve, grid: Floats) -> tuple[Floats, Floats]:
    """Return (k, values): the grid joined with the exact places of its deepest local minima."""
    values = curve(grid)
    filled = np.where(np.isnan(values), np.inf, values)
    left = np.concatenate(([np.inf], filled[:-1]))
    right = np.concatenate((filled[1:], [np.inf]))
    # One side strict, so that a flat stretch yields one minimum and not all of its points.
    found = np.flatnonzero((filled <= left) & (filled < right))
    found = found[np.argsort(filled[found], kind="stable")[:MINIMA_MAX]]
    low = grid[np.maximum(found - 1, 0)]
    high = grid[np.minimum(found + 1, grid.size - 1)]
    exact = _golden(curve, low, high)
    k = np.concatenate((grid, exact))
    order = np.argsort(k, kind="stable")
    return k[order], np.concatenate((values, curve(exact)))[order]


def _golden(curve: Curve, low: Floats, high: Floats) -> Floats:
    """Return where the curve is least in each bracket, all brackets narrowed together."""
    for _ in range(SECTIONS):
        width = GOLDEN * (high - low)
        lower, upper = high - width, low + width
        at_lower, at_upper = curve(lower), curve(upper)
        # A NaN, where g is not defined, is on the side to leave.
        is_left = (at_lower < at_upper) | np.isnan(at_upper)
        low, high = np.where(is_left, low, lower), np.where(is_left, upper, high)
    result: Floats = (low + high) / 2.0
    return result


def negative_hull(curve: Curve, k: Floats, values: Floats) -> tuple[float, float] | None:
    """Return the smallest and the largest k where the curve is negative or NaN, None if nowhere.

    k, values: the curve on a rising grid. The ends are narrowed to where the sign changes.
    """
    is_sound = values >= 0.0
    bad = np.flatnonzero(~is_sound)
    if not bad.size:
        return None
    first, last = int(bad[0]), int(bad[-1])
    outer = np.array([k[max(first - 1, 0)], k[min(last + 1, k.size - 1)]])
    inner = np.array([k[first], k[last]])
    for _ in range(BISECTIONS):
        middle = (outer + inner) / 2.0
        sound = curve(middle) >= 0.0
        outer, inner = np.where(sound, middle, outer), np.where(sound, inner, middle)
    return float(inner[0]), float(inner[1])
