"""Speed of the surface's fit on one core: a slice, a whole chain, and one expiry of it.

    python -m bench.surface            30 rounds, 8 snapshots for the slices
    python -m bench.surface --quick    fewer
    python -m bench.surface --parts    also where the time of a chain goes

Chains are recorded ones where they are at hand (STEELYARD_DATA or ../shared/data), else synthetic ones of
the same size. A slice is fitted to 30 quotes by both sides under the same weights; slices count for the
ratio of time whatever their cost; the share of slices with the same cost (within 1e-3), a lower and a
higher one stands beside it, over those where SciPy's free curve keeps Lee's bound on its wings, as ours must.
The peer's chain is in surface_peers.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib.metadata
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.machine import paired, peer, print_machine, report
from bench.surface_peers import (
    SLOPE_MAX,
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

        def theirs(exact: bool = exact) -> list[Any]:
            return [slice_by_scipy(optimize, *row, exact=exact) for row in rows]

        result = paired(
            lambda: fit_slices(data, offsets, widths, ENOUGH, STEPS, smiles, cost),
            theirs,
            max(3, rounds // 3),
            warm_up=1,
        )
        first, second = result.first_s / count * 1e6, result.second_s / count * 1e3
        note = f"{first:.1f} us against {second:.2f} ms, {count} slices"
        report(
            f"SVI slice: speed over SciPy lm, {label}", result.ratio, "x", goal=">= 15", note=note
        )
        found = theirs()
        steepest = np.array([abs(each.x[1]) * (1.0 + abs(each.x[2])) for each in found])
        lawful = steepest <= SLOPE_MAX
        excess = (cost / np.array([2.0 * each.cost for each in found]) - 1.0)[lawful]
        same, lower = np.abs(excess) <= SAME, excess < -SAME
        higher = 100.0 * float((~same & ~lower).mean())
        note = f"lower {100.0 * float(lower.mean()):.1f} %, higher {higher:.1f} %, "
        note += f"p90 of cost over theirs {np.percentile(excess, 90) + 1.0:.4f}; "
        note += f"left out: {int((~lawful).sum())} of theirs beyond Lee's slope"
        share = 100.0 * float((same | lower).mean())
        report(f"SVI slice: cost no higher than SciPy's, {label}", share, "%", note=note)


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


@contextlib.contextmanager
def watched(
    names: tuple[str, ...], see: Callable[[str, Any, tuple[Any, ...]], Any]
) -> Iterator[None]:
    """Let `see(name, function, arguments)` stand for functions that surface_fit calls by name."""
    from steelyard.models import surface_fit

    kept = {name: getattr(surface_fit, name) for name in names}

    def instead(name: str) -> Any:
        return lambda *arguments: see(name, kept[name], arguments)

    try:
        for name in names:
            setattr(surface_fit, name, instead(name))
        yield
    finally:
        for name, function in kept.items():
            setattr(surface_fit, name, function)


def bench_SURF_one_expiry(chains: dict[str, Any], rounds: int) -> None:
    """Time the compiled fit with one expiry asked for against all of them."""
    from steelyard.models.chain_fit import fit_chain
    from steelyard.models.surface_fit import fit_surface

    calls: list[dict[str, Any]] = []
    names = tuple(inspect.signature(fit_chain.py_func).parameters)

    def see(_: str, function: Any, arguments: tuple[Any, ...]) -> None:
        calls.append(dict(zip(names, map(copy.deepcopy, arguments), strict=True)))
        function(*arguments)
        calls.append(dict(zip(names, map(copy.deepcopy, arguments), strict=True)))

    with watched(("fit_chain",), see):
        fit_surface(next(iter(chains.values())))
    before, after = calls[:2]
    live = np.flatnonzero(before["is_live"])
    middle = int(live[len(live) // 2])
    one = after | {"smiles": after["smiles"].copy(), "asked": np.zeros_like(before["asked"])}
    one["smiles"][middle] = before["smiles"][middle]
    one["asked"][middle] = 1

    def fit(state: dict[str, Any]) -> None:
        fit_chain(*(copy.deepcopy(value) for value in state.values()))

    result = paired(lambda: fit(one), lambda: fit(before), rounds)
    note = f"{result.first_s * 1e3:.2f} ms against {result.second_s * 1e3:.2f} for {len(live)} expiries"
    report("one expiry anew: compiled fit, whole chain over it", result.ratio, "x", note=note)


def tell_parts(chains: dict[str, Any], rounds: int) -> None:
    """Report where the time of our chain goes."""
    from steelyard.models.surface_fit import fit_surface

    labels = {
        "find_forwards": "forwards",
        "find_points": "quotes to volatilities",
        "fit_chain": "compiled fit",
    }
    spent, calls = dict.fromkeys(labels, 0.0), dict.fromkeys(labels, 0)

    def see(name: str, function: Any, arguments: tuple[Any, ...]) -> Any:
        start = time.perf_counter()
        result = function(*arguments)
        spent[name] += time.perf_counter() - start
        calls[name] += 1
        return result

    whole = 0.0
    with watched(tuple(labels), see):
        for _ in range(rounds):
            for quotes in chains.values():
                start = time.perf_counter()
                fit_surface(quotes)
                whole += time.perf_counter() - start
    for name, label in labels.items():
        note = f"{calls[name] / rounds / len(chains):.1f} calls an underlying"
        report(f"chain: part of {label}", 1e3 * spent[name] / rounds, "ms", note=note)
    rest = 1e3 * (whole - sum(spent.values())) / rounds
    report("chain: part of layout, outliers and the rest", rest, "ms")


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
