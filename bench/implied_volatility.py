"""Implied volatility on one core: the strict kernel against the installable solvers.

    python -m bench.implied_volatility            all comparisons, 40 rounds
    python -m bench.implied_volatility --quick    fewer rounds

Quotes as a venue lists them: forward 60,000, strikes lognormal with 35 %, 1 to 365 days, 30 to 120 %
volatility, out of the money as a surface is fitted, and once calls and puts at random, half of them
in the money. The process is tied to one core, so no peer runs on two. Errors are against 50 digits,
of the volatility of the price as it stands, in the rows where the price determines it to 1e-11.

fast-vollib is timed twice: with a time for each option, and with one expiry for all, where it takes
a fused path of its own. py_lets_be_rational and QuantLib solve one option at a time: they are timed
over a sample in a loop, ours over the same sample in one call.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.black76 import market
from bench.machine import paired, peer, print_machine, report

OPTIONS = 50_000
LOOP_OPTIONS = 2_000
EXACT_OPTIONS = 400
Columns = dict[str, Any]
Solver = Callable[[], Any]


def quotes(count: int, *, is_mixed: bool = False) -> Columns:
    """Return options of the market with their prices, out of the money unless mixed."""
    from steelyard.valuation.black76 import black76_price

    columns = market(count)
    if not is_mixed:
        columns["is_call"] = columns["strike"] > columns["forward"]
    names = ("is_call", "forward", "strike", "volatility", "time_years")
    columns["price"] = black76_price(*(columns[name] for name in names))
    return columns


def ours(columns: Columns) -> tuple[Solver, Any, Any]:
    """Return our solver of the columns, and where it writes volatility and status."""
    from steelyard.valuation.implied_volatility import fill_implied_volatilities

    names = ("is_call", "forward", "strike", "price", "time_years")
    inputs = [np.ascontiguousarray(columns[name]) for name in names]
    volatility, status = np.empty(len(inputs[0])), np.empty(len(inputs[0]), np.int8)
    return lambda: fill_implied_volatilities(*inputs, volatility, status), volatility, status


def few(columns: Columns, count: int) -> Columns:
    """Return the first rows."""
    return {name: column[:count].copy() for name, column in columns.items()}


def fast_vollib(columns: Columns) -> Solver | None:
    """Return fast-vollib's Jäckel solver of the columns."""
    library = peer("fast_vollib.jackel.jackel_iv")
    if library is None:
        return None
    names = ("price", "forward", "strike", "time_years", "is_call")
    return lambda: library.jackel_iv_black(*(columns[name] for name in names))


def lets_be_rational(columns: Columns) -> Solver | None:
    """Return a loop over py_lets_be_rational."""
    library = peer("py_lets_be_rational")
    if library is None:
        return None
    solve = library.implied_volatility_from_a_transformed_rational_guess
    names = ("price", "forward", "strike", "time_years")
    signs = np.where(columns["is_call"], 1.0, -1.0).tolist()
    rows = list(zip(*(columns[name].tolist() for name in names), signs, strict=True))
    return lambda: [solve(*row) for row in rows]


def quantlib(columns: Columns) -> Solver | None:
    """Return a loop over QuantLib's blackFormulaImpliedStdDev at its own accuracy; NaN if it fails."""
    library = peer("QuantLib")
    if library is None:
        return None
    kinds = [library.Option.Call if call else library.Option.Put for call in columns["is_call"]]
    names = ("strike", "forward", "price")
    rows = list(zip(kinds, *(columns[name].tolist() for name in names), strict=True))
    years = columns["time_years"].tolist()

    def solve() -> list[float]:
        found = []
        for row, time in zip(rows, years, strict=True):
            try:
                found.append(library.blackFormulaImpliedStdDev(*row) / math.sqrt(time))
            except RuntimeError:
                found.append(math.nan)
        return found

    return solve


def exact_volatilities(columns: Columns) -> Any:
    """Return the exact volatility of each price, by Newton's method at 50 digits."""
    mp = peer("mpmath")
    if mp is None:
        return None
    found = []
    with mp.workdps(50):
        names = ("is_call", "forward", "strike", "price", "time_years", "volatility")
        for is_call, f, k, price, years, guess in zip(
            *(columns[name].tolist() for name in names), strict=True
        ):
            f, k, root = mp.mpf(f), mp.mpf(k), mp.sqrt(mp.mpf(years))
            sign, s = (1 if is_call else -1), mp.mpf(guess) * root
            for _ in range(6):
                d1 = mp.log(f / k) / s + s / 2
                value = sign * (f * mp.ncdf(sign * d1) - k * mp.ncdf(sign * (d1 - s)))
                s -= (value - mp.mpf(price)) / (f * mp.npdf(d1))
            found.append(s / root)
    return found


def tell_error(name: str, found: Any, exact: Any, is_solved: Any, goal: str = "") -> None:
    """Report the largest and the median relative error where the price says enough."""
    if exact is None:
        return
    pairs = zip(np.asarray(found)[: len(exact)].tolist(), exact, strict=True)
    errors = np.array([float(abs(value / right - 1)) for value, right in pairs])[is_solved]
    missing = int(np.isnan(errors).sum())
    note = f"median {np.nanmedian(errors):.1e}, {len(errors)} options"
    note += f", {missing} without an answer" if missing else ""
    report(f"{name}: largest relative error", float(np.nanmax(errors)), "", goal=goal, note=note)


def bench_IMPV_020_time_and_ratios(columns: Columns, rounds: int) -> None:
    """Time the kernel against each peer on the same quotes."""
    version = importlib.metadata.version
    mine, volatility, status = ours(columns)
    mine()
    exact = exact_volatilities(few(columns, EXACT_OPTIONS))
    is_solved = status[:EXACT_OPTIONS] == 0
    tell_error("ours", volatility[:EXACT_OPTIONS], exact, is_solved, "<= 1e-11")
    one_expiry = columns | {"forward": 60_000.0, "time_years": 0.25}
    flat = columns | {"time_years": np.full(OPTIONS, 0.25)}
    alike, _, _ = ours(flat)
    for label, theirs, own in (
        ("a time per option", fast_vollib(columns), mine),
        ("one expiry", fast_vollib(one_expiry), alike),
    ):
        if theirs is None:
            break
        result = paired(own, theirs, rounds)
        first, second = (t / OPTIONS * 1e9 for t in (result.first_s, result.second_s))
        if label == "a time per option":
            report("implied volatility, out of the money", first, "ns/option", goal="<= 80")
            tell_error("fast-vollib", theirs(), exact, is_solved)
        note = f"{second:.0f} ns, version {version('fast-vollib')}"
        report(f"speed over fast-vollib Jäckel, {label}", result.ratio, "x", goal=">= 8", note=note)
    sample = few(columns, LOOP_OPTIONS)
    small, _, _ = ours(sample)
    for name, build, goal in (
        ("py_lets_be_rational", lets_be_rational, ">= 150"),
        ("QuantLib", quantlib, ""),
    ):
        loop = build(sample)
        if loop is None:
            continue
        result = paired(small, loop, max(5, rounds // 8))
        note = f"{result.second_s / LOOP_OPTIONS * 1e9:.0f} ns, loop over {LOOP_OPTIONS}, "
        note += f"version {version(name)}"
        report(f"speed over {name}", result.ratio, "x", goal=goal, note=note)
        tell_error(name, loop()[:EXACT_OPTIONS], exact, is_solved)


def bench_mixed(rounds: int) -> None:
    """Time quotes of which half are in the money, where prices also carry less."""
    columns = quotes(OPTIONS, is_mixed=True)
    mine, volatility, status = ours(columns)
    theirs = fast_vollib(columns)
    if theirs is None:
        return
    result = paired(mine, theirs, rounds)
    note = f"{result.first_s / OPTIONS * 1e9:.0f} ns an option"
    report("calls and puts at random: speed over fast-vollib", result.ratio, "x", note=note)
    report("calls and puts at random: flagged", 100.0 * float((status != 0).mean()), "%")
    exact = exact_volatilities(few(columns, EXACT_OPTIONS))
    is_solved = status[:EXACT_OPTIONS] == 0
    tell_error("calls and puts at random", volatility[:EXACT_OPTIONS], exact, is_solved, "<= 1e-11")


def main(arguments: list[str] | None = None) -> int:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="16 rounds instead of 40")
    options = parser.parse_args(arguments)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_machine()
    rounds = 16 if options.quick else 40
    bench_IMPV_020_time_and_ratios(quotes(OPTIONS), rounds)
    bench_mixed(rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
