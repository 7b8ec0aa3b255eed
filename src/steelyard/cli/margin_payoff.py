"""A strategy's result at settlement as a small picture: gains above the line, losses below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT, EDGE = 132.0, 44.0, 3.0
REACH = 0.12
"""How far beyond the outer strikes the picture goes, as a share of the strike, at least."""

SAMPLES = 24
"""Prices between two strikes of what settles in coins: there the result is a curve."""

Leg = Mapping[str, Any]
Point = tuple[float, float]


def outcome(legs: Sequence[Leg], price: float) -> float:
    """Return what legs as `describe` tells them gain from their marks at a settlement price, in their currency.

    >>> call = {"kind": "option", "quantity": "1", "mark": "2900", "is_coin_settled": False,
    ...         "strike": "60000", "is_call": True}
    >>> outcome([call], 65_000.0), outcome([call], 50_000.0)
    (2100.0, -2900.0)
    """
    total = 0.0
    in_coins = any(leg["is_coin_settled"] for leg in legs)
    for leg in legs:
        quantity, mark = float(leg["quantity"]), float(leg["mark"])
        if leg["kind"] == "option":
            inside = price - float(leg["strike"])
            paid = max(0.0, inside if leg["is_call"] else -inside)
            total += quantity * ((paid / price if in_coins else paid) - mark)
        elif leg["is_coin_settled"]:
            total += quantity * (1.0 - mark / price)
        elif not in_coins:  # a coin held beside coin-settled legs is one before and after
            total += quantity * (price - mark)
    return total


def points_of(legs: Sequence[Leg]) -> list[Point]:
    """Return (price, result) at the strikes, beyond them, and where the result changes its sign."""
    strikes = sorted({float(leg["strike"]) for leg in legs if leg["kind"] == "option"})
    beyond = max(REACH * strikes[-1], 0.6 * (strikes[-1] - strikes[0]))
    knots = [max(strikes[0] - beyond, 0.05 * strikes[0]), *strikes, strikes[-1] + beyond]
    prices = list(knots)
    if any(leg["is_coin_settled"] for leg in legs):
        prices = [a + (b - a) * i / SAMPLES for a, b in pairwise(knots) for i in range(SAMPLES)]
        prices.append(knots[-1])
    found = [(price, outcome(legs, price)) for price in prices]
    crossed = found[:1]
    for (s, low), (t, high) in pairwise(found):
        if low * high < 0.0:
            crossed.append((s + (t - s) * low / (low - high), 0.0))
        crossed.append((t, high))
    return crossed


def sketch(strategy: Mapping[str, Any]) -> str:
    """Return the picture of a strategy as SVG; empty for one that settles at several times."""
    legs = strategy["legs"]
    if len({leg["expiry_us"] for leg in legs if leg.get("expiry_us")}) != 1:
        return ""
    points = points_of(legs)
    results = [0.0, *(result for _, result in points)]
    low, high = min(results), max(results)
    tall = (high - low) or 1.0
    first, wide = points[0][0], points[-1][0] - points[0][0]

    def at(price: float, result: float) -> str:
        x = EDGE + (WIDTH - 2 * EDGE) * (price - first) / wide
        y = EDGE + (HEIGHT - 2 * EDGE) * (high - result) / tall
        return f"{x:.1f},{y:.1f}"

    def area(kind: str, side: list[Point]) -> str:
        edge = [at(points[0][0], 0.0), *(at(*point) for point in side), at(points[-1][0], 0.0)]
        return f'<polygon class="{kind}" points="{" ".join(edge)}"/>'

    gains = area("gain", [(price, max(result, 0.0)) for price, result in points])
    losses = area("loss", [(price, min(result, 0.0)) for price, result in points])
    line = " ".join(at(*point) for point in points)
    zero = f"{at(points[0][0], 0.0)} {at(points[-1][0], 0.0)}"
    said = f"result at settlement, {points[0][0]:,.6g} to {points[-1][0]:,.6g} USD"
    return (
        f'<svg class="sketch" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{said}"><title>{said}</title>'
        f'{gains}{losses}<polyline class="zero" points="{zero}"/><polyline points="{line}"/></svg>'
    )
