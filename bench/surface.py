"""Speed of the surface's fit on one core: a slice, a whole chain, and one expiry of it.

    python -m bench.surface            30 rounds, 8 snapshots for the slices
    python -m bench.surface --quick    fewer
    python -m bench.surface --parts    also where the time of a chain goes

Chains are recorded ones where they are at hand (STEELYARD_DATA or ../shared/data), else synthetic ones of
the same size. A slice is fitted to 30 quotes by both sides under the same weights; slices count for the
ratio of time whatever their cost, and the share with the same cost, a lower and a higher one is printed.
The peer's chain is in surface_peers.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import sys
import time
from typing import Any

import numpy as np

from bench.machine import paired, peer, print_machine, report
from bench.surface_peers import (
    chain_by_scipy,
    recorded_chains,
    slice_by_scipy,
    synthetic_chains,
)

POINTS = 30
SAME = 1e-3  # of the cost
ENOUGH, STEPS = 1e-6, 60
DAYS_LEAST = 3.0
Array = Any


def slice_sample(snapshots: list[dict[str, Any]]) -> tuple[Array, Array, Array]:
    """Return (data, offsets, widths) of every slice with 30 usable quotes, thinned evenly to 30."""
    from steelyard.models.surface_fit import fit_surface

    parts, widths = [], []
    for quotes in (quotes for snapshot in snapshots for quotes in snapshot.values()):
        points = fit_surface(quotes).points
        for i in range(len(points.expiry_us)):
            rows = np.flatnonzero((points.expiry_of == i) & (points.use == 0))
            rows = rows[np.argsort(points.log_moneyness[rows], kind="stable")]
            if len(rows) < POINTS or points.time_years[rows[0]] * 365.0 < DAYS_LEAST:
                continue
            rows = rows[np.linspace(0, len(rows) - 1, POINTS).round().astype(int)]
            k, years = points.log_moneyness[rows], points.time_years[rows]
            w = points.target[rows] ** 2 * years
            spread = 2.0 * points.target[rows] * years * points.uncertainty[rows]
            parts.append(np.vstack([k, w, 1.0 / spread**2]))
            widths.append(float(np.sqrt(np.interp(0.0, k, w))))
    data = np.ascontiguousarray(np.hstack(parts))
    return data, np.arange(len(parts) + 1, dtype=np.int64) * POINTS, np.array(widths)


def bench_SURF_slice_against_scipy(snapshots: list[dict[str, Any]], rounds: int) -> None:
    """Time slices of 30 quotes against least_squares (lm), which starts from the usual guess."""
    optimize = peer("scipy.optimize")
    if optimize is None:
        return
    from bench.surface_slices import fit_slices
    from steelyard.valuation.smiles import SMILE_WIDTH

    data, offsets, widths = slice_sample(snapshots)
    count = len(widths)
    smiles, cost = np.zeros((count, SMILE_WIDTH)), np.zeros(count)
    parts = [data[:, offsets[i] : offsets[i + 1]] for i in range(count)]
    rows = [(k, w, np.sqrt(weight)) for k, w, weight in parts]
    for exact, label in ((False, "differences"), (True, "exact Jacobian")):

        def theirs(exact: bool = exact) -> list[float]:
            return [2.0 * float(slice_by_scipy(optimize, *row, exact=exact).cost) for row in rows]

        result = paired(
            lambda: fit_slices(data, offsets, widths, ENOUGH, STEPS, smiles, cost),
            theirs,
            max(3, rounds // 3),
            warm_up=1,
        )
        excess = cost / np.array(theirs()) - 1.0
        same, lower = np.abs(excess) <= SAME, excess < -SAME
        note = f"{result.first_s / count * 1e6:.1f} us against {result.second_s / count * 1e3:.2f} ms, {count} slices"
        report(
            f"SVI slice: speed over SciPy lm, {label}", result.ratio, "x", goal=">= 15", note=note
        )
        higher = 100.0 * float((~same & ~lower).mean())
        note = f"lower {100.0 * float(lower.mean()):.1f} %, higher {higher:.1f} %, "
        note += f"p90 of cost over theirs {np.percentile(excess, 90) + 1.0:.4f}"
        report(
            f"SVI slice: same cost as SciPy lm, {label}", 100.0 * float(same.mean()), "%", note=note
        )


def bench_SURF_chain_against_pipeline(chains: dict[str, Any], rounds: int) -> None:
    """Time forwards, volatilities and fit of a whole chain against SciPy and py_lets_be_rational."""
    from steelyard.models.surface_fit import fit_surface

    def ours() -> list[Any]:
        return [fit_surface(quotes) for quotes in chains.values()]

    surfaces = ours()
    count = sum(len(quotes) for quotes in chains.values())
    slices = sum(len(surface.smiles) for surface in surfaces)
    size = f"{count:,} instruments, {slices} slices"
    optimize, rational = peer("scipy.optimize"), peer("py_lets_be_rational")
    if optimize is None or rational is None:
        ours()
        start = time.perf_counter()
        ours()
        report("chain: time", 1e3 * (time.perf_counter() - start), "ms", note=size)
        return
    solve = rational.implied_volatility_from_a_transformed_rational_guess
    failure = peer("py_lets_be_rational.exceptions").VolatilityValueException  # type: ignore[union-attr]
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("scipy", "py_lets_be_rational")
    )

    def theirs() -> list[Any]:
        return [chain_by_scipy(optimize, solve, failure, quotes) for quotes in chains.values()]

    result = paired(ours, theirs, max(3, rounds // 3), warm_up=1)
    note = f"{result.second_s * 1e3:.0f} ms, {versions}"
    report(
        "chain: speed over SciPy and py_lets_be_rational",
        result.ratio,
        "x",
        goal=">= 20",
        note=note,
    )
    report("chain: time", result.first_s * 1e3, "ms", goal="<= 5", note=size)


def bench_SURF_one_expiry(chains: dict[str, Any], rounds: int) -> None:
    """Time the compiled fit with one expiry asked for against all of them."""
    from steelyard.models.chain_fit import fit_chain
    from steelyard.models.quotes import YEAR_US, SurfaceSettings
    from steelyard.models.surface_fit import _Chain, fit_surface

    quotes = next(iter(chains.values()))
    points = fit_surface(quotes).points
    times = (points.expiry_us - quotes.time_us) / YEAR_US
    chain = _Chain(points, SurfaceSettings(), times)
    everyone = np.ones(len(times), np.int64)
    chain.fit(everyone)
    middle = int(np.flatnonzero(chain.is_live)[int(chain.is_live.sum()) // 2])
    alone = np.zeros(len(times), np.int64)
    alone[middle] = 1

    def fit(asked: Array) -> None:
        chain.smiles[asked > 0, 7] = layout[asked > 0]
        fit_chain(
            chain.smiles, chain.data, chain.offsets, chain.is_live, chain.shape, chain.pull, asked,
            chain.outcome,
        )  # fmt: skip

    layout = chain.smiles[:, 7].copy()
    result = paired(lambda: fit(alone), lambda: fit(everyone), rounds)
    note = f"{result.first_s * 1e3:.2f} ms against {result.second_s * 1e3:.2f} for {len(times)} expiries"
    report("one expiry anew: compiled fit, whole chain over it", result.ratio, "x", note=note)


def tell_parts(chains: dict[str, Any], rounds: int) -> None:
    """Report where the time of our chain goes."""
    from steelyard.models import surface_fit
    from steelyard.models.forwards import find_forwards
    from steelyard.models.quotes import SurfaceSettings, find_points

    settings = SurfaceSettings()
    spent = dict.fromkeys(("forwards", "quotes to volatilities", "compiled fit", "whole"), 0.0)
    inner = surface_fit.fit_chain
    calls = 0

    def timed(*arguments: Any) -> None:
        nonlocal calls
        start = time.perf_counter()
        inner(*arguments)
        spent["compiled fit"] += time.perf_counter() - start
        calls += 1

    surface_fit.fit_chain = timed
    try:
        for _ in range(rounds):
            for quotes in chains.values():
                start = time.perf_counter()
                surface_fit.fit_surface(quotes, settings)
                spent["whole"] += time.perf_counter() - start
                expiry_us, of = np.unique(quotes.expiry_us, return_inverse=True)
                start = time.perf_counter()
                forwards = find_forwards(quotes, expiry_us, of)
                then = time.perf_counter()
                find_points(quotes, settings, expiry_us, of, forwards.value)
                spent["forwards"] += then - start
                spent["quotes to volatilities"] += time.perf_counter() - then
    finally:
        surface_fit.fit_chain = inner
    rest = 2.0 * spent["whole"] - sum(spent.values())
    for name, seconds in (spent | {"layout, outliers, rest": rest}).items():
        note = (
            f"{calls / rounds / len(chains):.1f} calls an underlying" if "compiled" in name else ""
        )
        report(f"chain: part of {name}", 1e3 * seconds / rounds, "ms", note=note)


def main(arguments: list[str] | None = None) -> int:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and slices")
    parser.add_argument("--parts", action="store_true", help="where the time of a chain goes")
    options = parser.parse_args(arguments)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_machine()
    rounds = 6 if options.quick else 30
    snapshots = recorded_chains(1 if options.quick else 8) or [synthetic_chains()]
    middle = snapshots[len(snapshots) // 2]
    bench_SURF_slice_against_scipy(snapshots, rounds)
    bench_SURF_chain_against_pipeline(middle, rounds)
    bench_SURF_one_expiry(middle, rounds)
    if options.parts:
        tell_parts(middle, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
