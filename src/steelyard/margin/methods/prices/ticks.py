"""Ticks: a price as a whole number of a smallest step, and the numbers to look at along it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from steelyard.margin.methods.needs import refuse

DIGITS = 6  # of a tick that nobody states: a millionth of the price's power of ten
FLOOR = 100_000  # prices are looked at down to this part of the reference
# Steps of the scan: up to this distance from the reference, as a factor, steps of that factor.
STEPS = ((1.3, 1.02), (20.0, 1.1), (float("inf"), 1.5))
CLOSEST = 0.0005  # points of the scan are not closer together than this part of the price


def decimal_of(price: Any) -> Decimal:
    """Return a price as the decimal that it is written as."""
    return price if isinstance(price, Decimal) else Decimal(repr(float(price)))


def default_tick(price: Any) -> Decimal:
    """Return a power of ten between a millionth and a ten-millionth of a price.

    >>> default_tick(70_000.0), default_tick(1.5)
    (Decimal('0.01'), Decimal('0.000001'))
    """
    return Decimal(f"1e{decimal_of(price).adjusted() - DIGITS}")


def checked_tick(tick: Decimal | None, price: Any) -> Decimal:
    """Return the tick to count in: the stated one, or the price's own. Errors: METH-E05."""
    if tick is None:
        return default_tick(price)
    if not (tick.is_finite() and tick > 0):
        refuse("METH-E05", f"the tick is {tick}", "a tick is above zero", "mend it", "tick")
    return tick


def price_of(n: int, tick: Decimal, like: Any) -> Any:
    """Return the price of n ticks in the kind of number that `like` is."""
    price = n * tick
    return price if isinstance(like, Decimal) else float(price)


def scan_points(middle: float, low: int, high: int, knots: Iterable[float]) -> list[int]:
    """Return whole numbers from low to high: closer steps around the middle, and the knots.

    >>> scan_points(100.0, 50, 200, [120.5])[:4]
    [50, 51, 56, 62]
    """
    points = [x for x in (*knots, *_steps(middle, low, high)) if low < x < high]
    found = [low]
    for x in sorted(points):
        n = int(x)
        if n - found[-1] > CLOSEST * n:
            found.append(n)
    around = [n for n in (int(middle), int(middle) + 1, high) if low < n <= high]
    return sorted({*found, *around})


def _steps(middle: float, low: int, high: int) -> list[float]:
    found = []
    for is_up in (True, False):
        distance = 1.0
        while distance < 1e9:
            x = middle * distance if is_up else middle / distance
            if not low < x < high:
                break
            found.append(x)
            distance *= next(step for reach, step in STEPS if distance < reach)
    return found
