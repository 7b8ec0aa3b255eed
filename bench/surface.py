"""Speed of the fits on one core: a raw SVI slice, and the surface of a whole chain.

    python -m bench.surface            30 rounds, 8 snapshots for the slices
    python -m bench.surface --quick    fewer
    python -m bench.surface --parts    also where the time of a chain goes

Chains are recorded ones where they are at hand (STEELYARD_DATA or ../shared/data), else synthetic ones of
the same size. A slice is fitted to 30 quotes by both sides under the same weights; slices count for the
ratio of time whatever their cost; the share of slices with the same cost (within 1e-3), a lower and a
higher one stands beside it, over those where SciPy's free curve keeps 0 and Lee's bound on the slopes of its wings, as ours must.
The peer's chain is in surface_peers.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
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
from bench.surface_slices import slice_sample

SAME = 1e-3  # of the cost
Array = Any


def bench_SURF_slice_against_scipy(snapshots: list[dict[str, Any]], rounds: int) -> None:
    """Time slices of 30 quotes against least_squares (lm), which starts from the usual guess."""
    optimize = peer("scipy.optimize")
    if optimize is None:
        return
    from steelyard.models.svi_slice import fit_slices

    data, offsets = slice_sample(snapshots)
    count = len(offsets) - 1
    k, w, weights = data
    cost = fit_slices(k, w, weights, offsets).cost
    parts = [data[:, offsets[i] : offsets[i + 1]] for i in range(count)]
    rows = [(part[0], part[1], np.sqrt(part[2])) for part in parts]
    for exact, label in ((False, "differences"), (True, "exact Jacobian")):

        def theirs(exact: bool = exact) -> list[Any]:
            return [slice_by_scipy(optimize, *row, exact=exact) for row in rows]

        result = paired(
            lambda: fit_slices(k, w, weights, offsets),
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
        b, rho = np.array([each.x for each in found]).T[1:3]
        lawful = (b >= 0.0) & (np.abs(rho) <= 1.0) & (b * (1.0 + np.abs(rho)) <= SLOPE_MAX)
        excess = (cost / np.array([2.0 * each.cost for each in found]) - 1.0)[lawful]
        same, lower = np.abs(excess) <= SAME, excess < -SAME
        higher = 100.0 * float((~same & ~lower).mean())
        note = f"lower {100.0 * float(lower.mean()):.1f} %, higher {higher:.1f} %, "
        note += f"p90 of cost over theirs {np.percentile(excess, 90) + 1.0:.4f}; "
        note += f"left out: {int((~lawful).sum())} of theirs beyond Lee's slopes"
        share = 100.0 * float((same | lower).mean())
        report(
            f"SVI slice: cost no higher than SciPy's, {label}", share, "%", goal=">= 95", note=note
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
    if options.parts:
        tell_parts(middle, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
