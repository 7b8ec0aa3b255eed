"""What the surface benches measure against, and the chains they measure on.

The peers are what a competent quant writes with NumPy, SciPy and py_lets_be_rational: parity forwards in
NumPy, a loop for the volatilities, a raw SVI by least squares with its exact Jacobian, and SLSQP under
butterfly and calendar constraints where the free curve breaks one. Nothing here imports our models.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import ROOT

YEAR_US = 31_536_000_000_000
DAY_US = 86_400_000_000
TICK = 1e-4
GRID = 101  # points at which the peer holds its constraints
SLOPE_MAX = 1.99
WIDE, FLOOR, HALF_TICK = 0.05, 0.001, 5e-5
Array = Any


def chain_folder() -> Path | None:
    """Return the folder of the recorded chains, None (with a message) where they are not at hand."""
    named = os.environ.get("STEELYARD_DATA")
    folder = (Path(named) if named else ROOT.parent / "shared" / "data") / "deribit_chains"
    if folder.is_dir():
        return folder
    print("skipped: no recorded chains (STEELYARD_DATA or ../shared/data), a synthetic one instead")
    return None


def recorded_chains(limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` snapshots spread evenly over the record, as chains by underlying."""
    from steelyard.feeds.option_chain import list_snapshots, read_chain

    folder = chain_folder()
    if folder is None:
        return []
    names = list_snapshots(folder)
    places = sorted({round(x) for x in np.linspace(0, len(names) - 1, min(limit, len(names)))})
    return [dict(read_chain(folder, names[place]).chains) for place in places]


def synthetic_chains() -> dict[str, Any]:
    """Return two underlyings of 12 expiries and 31 strikes each, with calls and puts: 1,488 quotes."""
    return {
        name: synthetic_chain(name, index) for name, index in (("BTC", 60_000.0), ("ETH", 3_000.0))
    }


def synthetic_chain(name: str, index: float) -> Any:
    """Return a chain in coin: volatilities of a formula, bids down to a tick and asks up, as listed."""
    from steelyard.feeds.option_chain import ChainQuotes
    from steelyard.feeds.tables import NO_TIME
    from steelyard.valuation.black76 import black76_price

    start = 1_767_254_400_000_000
    days = np.array([1.0, 2, 3, 7, 14, 21, 30, 60, 90, 180, 270, 360])
    z = np.linspace(-2.4, 2.4, 31)
    day, spot, is_call = (x.ravel() for x in np.meshgrid(days, z, [True, False], indexing="ij"))
    years = day / 365.0
    forward = index * np.exp(0.05 * years)
    strike = np.round(forward * np.exp(0.5 * np.sqrt(years) * spot), 1)
    scaled = np.log(strike / forward) / np.sqrt(years)
    smile = 0.12 * (np.sqrt(1.0 + scaled * scaled) - 1.0) + 0.01 * np.sin(3.0 * scaled)
    volatility = 0.50 + 0.05 * np.sqrt(years) - 0.04 * scaled + smile
    fair = black76_price(is_call, forward, strike, volatility, years) / forward
    bid = np.floor(0.99 * fair / TICK) * TICK
    ask = np.ceil(1.01 * fair / TICK) * TICK
    count = len(fair)
    return ChainQuotes(
        name, start, True, np.arange(1, count + 1), start + (day * DAY_US).astype(np.int64), strike,
        is_call, bid, ask, volatility, forward, day < 5.0, np.full(count, index),
        np.full(count, NO_TIME),
    )  # fmt: skip


def svi(p: Array, k: Array) -> Array:
    """Return total variance of a raw SVI (a, b, ρ, m, σ)."""
    a, b, rho, m, sigma = p
    x = k - m
    return a + b * (rho * x + np.sqrt(x * x + sigma * sigma))


def svi_jacobian(p: Array, k: Array) -> Array:
    """Return ∂w/∂(a, b, ρ, m, σ), one row a point."""
    _, b, rho, m, sigma = p
    x = k - m
    r = np.sqrt(x * x + sigma * sigma)
    ones = np.ones_like(k)
    return np.stack([ones, rho * x + r, b * x, -b * (rho + x / r), b * sigma / r], axis=1)


def durrleman(p: Array, k: Array) -> Array:
    """Return g(k) of a raw SVI."""
    _, b, rho, m, sigma = p
    x = k - m
    r = np.sqrt(x * x + sigma * sigma)
    w, first, second = svi(p, k), b * (rho + x / r), b * sigma * sigma / r**3
    return (1 - 0.5 * k * first / w) ** 2 - 0.25 * first**2 * (1 / w + 0.25) + 0.5 * second


def start_of(k: Array, w: Array) -> Array:
    """Return where SciPy starts: the usual guess from the least variance and the slopes of the wings."""
    low = int(np.argmin(w))
    span = max(k[-1] - k[0], 1e-3)
    left = abs(w[0] - w[low]) / max(k[low] - k[0], 0.1 * span)
    right = abs(w[-1] - w[low]) / max(k[-1] - k[low], 0.1 * span)
    b = max(0.5 * (left + right), 1e-3)
    rho = float(np.clip(0.5 * (right - left) / b, -0.9, 0.9))
    sigma = 0.2 * span
    a = float(w[low]) - b * sigma * math.sqrt(1.0 - rho * rho)
    return np.array([a, b, rho, float(k[low]), sigma])


def slice_by_scipy(optimize: Any, k: Array, w: Array, root: Array, *, exact: bool) -> Any:
    """Return SciPy's least squares (lm) of root·(svi − w); exact: with the Jacobian by formula."""
    start = start_of(k, w)

    def residual(p: Array) -> Array:
        return root * (svi(p, k) - w)

    def jacobian(p: Array) -> Array:
        return root[:, None] * svi_jacobian(p, k)

    return optimize.least_squares(
        residual,
        start,
        jac=jacobian if exact else "2-point",
        method="lm",
        x_scale="jac",
        ftol=1e-6,
        xtol=1e-6,
    )


def parity_forward(quotes: Any, rows: Array) -> float:
    """Return the forward of one expiry by put-call parity, strikes weighted by 1/width²."""
    good = rows[(quotes.bid[rows] > 0) & (quotes.ask[rows] >= quotes.bid[rows])]
    calls, puts = good[quotes.is_call[good]], good[~quotes.is_call[good]]
    strikes, i, j = np.intersect1d(quotes.strike[calls], quotes.strike[puts], return_indices=True)
    low = quotes.bid[calls[i]] - quotes.ask[puts[j]]
    high = quotes.ask[calls[i]] - quotes.bid[puts[j]]
    low, high = strikes / (1.0 - low), strikes / (1.0 - high)
    if not len(strikes):
        return math.nan
    order = np.argsort(low + high)
    weight = np.cumsum(1.0 / np.maximum(high - low, 1e-9 * strikes)[order] ** 2)
    return float(0.5 * (low + high)[order[np.searchsorted(weight, 0.5 * weight[-1])]])


def chain_by_scipy(optimize: Any, solve: Callable[..., float], failure: Any, quotes: Any) -> Array:
    """Return the raw SVI of each expiry: forwards, volatilities of bid and ask, arbitrage-free fit.

    solve, failure: py_lets_be_rational's solver and what it raises.
    """
    found, before = [], None
    for expiry in np.unique(quotes.expiry_us):
        rows = np.flatnonzero(quotes.expiry_us == expiry)
        years = (expiry - quotes.time_us) / YEAR_US
        if years <= 0:
            continue
        forward = parity_forward(quotes, rows)
        if not quotes.is_synthetic[rows].any() and np.isfinite(quotes.forward[rows]).any():
            forward = float(np.nanmedian(quotes.forward[rows]))
        both = rows[(quotes.bid[rows] > 0) & (quotes.ask[rows] >= quotes.bid[rows])]
        volatility = np.full((2, len(both)), math.nan)
        for side, prices in enumerate((quotes.bid[both], quotes.ask[both])):
            columns = (
                prices * forward,
                quotes.strike[both],
                np.where(quotes.is_call[both], 1.0, -1.0),
            )
            listed = zip(*(column.tolist() for column in columns), strict=True)
            for place, (price, strike, sign) in enumerate(listed):
                try:
                    volatility[side, place] = solve(price, forward, strike, years, sign)
                except failure:
                    continue
        k, w, root = points_of(quotes, both, volatility, forward, years)
        if len(k) < 5:
            continue
        before = hold_slice(optimize, k, w, root, before)
        found.append(before)
    return np.array(found)


def points_of(quotes: Any, rows: Array, volatility: Array, forward: float, years: float) -> Array:
    """Return (k, w, 1/uncertainty of w) of the usable quotes, weighted by spread over vega."""
    k = np.log(quotes.strike[rows] / forward)
    mid = volatility.mean(axis=0)
    deviation = mid * math.sqrt(years)
    with np.errstate(all="ignore"):
        d1 = -k / deviation + 0.5 * deviation
        vega = forward * np.exp(-0.5 * d1 * d1) * math.sqrt(years / (2.0 * math.pi))
        half = np.maximum(0.5 * (quotes.ask - quotes.bid)[rows], HALF_TICK) * forward
        uncertainty = FLOOR + half / vega
    used = np.flatnonzero((mid > 0.01) & (mid < 5.0) & (uncertainty < WIDE))
    used = used[np.argsort(k[used], kind="stable")]
    return (
        k[used],
        (mid * deviation)[used] * math.sqrt(years),
        1.0 / (2 * mid * years * uncertainty)[used],
    )


def hold_slice(optimize: Any, k: Array, w: Array, root: Array, before: Array | None) -> Array:
    """Return one arbitrage-free slice: the free curve, and SLSQP under constraints where it breaks one."""
    reach = 0.25 * (k[-1] - k[0])
    grid = np.linspace(k[0] - reach, k[-1] + reach, GRID)
    earlier = svi(before, grid) if before is not None else np.zeros(len(grid))

    def shape(p: Array) -> Array:
        return durrleman(p, grid)

    def above(p: Array) -> Array:
        return (svi(p, grid) - earlier) / (earlier + 1e-4)

    def rise(p: Array) -> Array:
        return svi_jacobian(p, grid) / (earlier + 1e-4)[:, None]

    free = slice_by_scipy(optimize, k, w, root, exact=True).x
    is_curve = free[1] > 0.0 and abs(free[2]) < 1.0
    if is_curve and shape(free).min() >= 0.0 and above(free).min() >= 0.0:
        return free
    low = np.array([-20.0, 1e-4, -0.99, k[0] - 5.0, 0.02 * (k[-1] - k[0])])
    high = np.array([2.0, 10.0, 0.99, k[-1] + 5.0, 10.0])
    size = 1.0 + float(np.sum((root * (svi(free, k) - w)) ** 2))
    for start in (free, start_of(k, w)):
        start = np.clip(start, low, high)
        norm = np.sqrt(size) / np.linalg.norm(root[:, None] * svi_jacobian(start, k), axis=0)
        held = optimize.minimize(
            lambda x, n: float(np.sum((root * (svi(x * n, k) - w)) ** 2)) / size,
            start / norm,
            (norm,),
            jac=lambda x, n: (
                2.0 * n * ((root**2 * (svi(x * n, k) - w)) @ svi_jacobian(x * n, k)) / size
            ),
            method="SLSQP",
            bounds=list(zip(low / norm, high / norm, strict=True)),
            constraints=[
                {"type": "ineq", "args": (norm,), "fun": lambda x, n: shape(x * n)},
                {
                    "type": "ineq",
                    "args": (norm,),
                    "fun": lambda x, n: above(x * n),
                    "jac": lambda x, n: rise(x * n) * n,
                },
                {
                    "type": "ineq",
                    "args": (norm,),
                    "fun": lambda x, n: SLOPE_MAX - x[1] * n[1] * (1.0 + abs(x[2] * n[2])),
                },
            ],
            options={"maxiter": 60, "ftol": 1e-6},
        )
        if held.success:
            break
    return held.x * norm
