"""Black-76 on one core: the strict kernel against C, NumPy with SciPy, and QuantLib.

    python -m bench.black76            all comparisons, 60 rounds
    python -m bench.black76 --quick    fewer rounds
    python -m bench.black76 --json     the machine and the figures as JSON, nothing else on stdout

The C reference (black76_reference.c) uses the same approximations, written the natural way. It is
compiled here three times: `-O3 -march=native` alone, where gcc keeps the loop scalar because sqrt
may set errno and comparisons may trap; with `-fno-math-errno -fno-trapping-math`, which change no
value and let it vectorise; and with `-ffast-math`. The goal counts against the faster of the first
two.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import ROOT, machine_as_dict, paired, peer, print_machine, report

OPTIONS = 50_000
ROWS = 1_500
LOOP_OPTIONS = 5_000
ENGINE_OPTIONS = 2_000
TICKS = 25  # of ours to one of the peer, whose tick takes hundreds of times as long
SOURCE = Path(__file__).with_name("black76_reference.c")
BUILDS = {
    "C -O3 -march=native": (),
    "C, vectorised, IEEE values": ("-fno-math-errno", "-fno-trapping-math"),
    "C -ffast-math": ("-ffast-math",),
}
COMPILE = """
import json, time
start = time.perf_counter(); import numba.extending; took = {"import numba": time.perf_counter() - start}
import importlib
for name in ("black76", "greeks", "scenarios", "marks", "black_scholes", "conventions"):
    start = time.perf_counter(); importlib.import_module(f"steelyard.valuation.{name}")
    took[f"kernels of {name}"] = time.perf_counter() - start
print(json.dumps(took))
"""
Columns = dict[str, Any]
figures: list[dict[str, object]] = []


def tell(name: str, value: float, unit: str, goal: str = "", note: str = "") -> None:
    """Report a figure and keep it for --json."""
    report(name, value, unit, goal=goal, note=note)
    figures.append({"name": name, "value": value, "unit": unit, "goal": goal, "note": note})


def market(count: int) -> Columns:
    """Return options as venues list them: forward 60,000, 1 to 365 days, 30 to 120 % volatility."""
    rng = np.random.default_rng(76)
    forward = np.full(count, 60_000.0)
    return {
        "is_call": rng.random(count) < 0.5,
        "forward": forward,
        "strike": forward * np.exp(0.35 * rng.standard_normal(count)),
        "volatility": rng.uniform(0.3, 1.2, count),
        "time_years": rng.uniform(1.0, 365.0, count) / 365.0,
    }


def pointers(*columns: Any) -> list[ctypes.c_void_p]:
    """Return where the columns lie in memory."""
    return [ctypes.c_void_p(column.ctypes.data) for column in columns]


def build(folder: str) -> dict[str, ctypes.CDLL]:
    """Compile the reference in each way; an empty mapping where gcc is missing."""
    libraries = {}
    for number, (name, flags) in enumerate(BUILDS.items()):
        target = f"{folder}/reference{number}.so"
        command = ["gcc", "-O3", "-march=native", *flags, "-shared", "-fPIC", str(SOURCE)]
        try:
            subprocess.run([*command, "-o", target, "-lm"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as failure:
            print(f"skipped: gcc did not compile the C reference ({failure})")
            return {}
        libraries[name] = ctypes.CDLL(target)
    return libraries


def bench_VALU_050_price_against_c(
    columns: Columns, libraries: dict[str, ctypes.CDLL], rounds: int
) -> None:
    """Time the price kernel against each build of the C reference."""
    from steelyard.valuation.black76 import fill_prices

    ours, theirs = np.empty(OPTIONS), np.empty(OPTIONS)
    arguments = [*columns.values(), ours]
    ratios = {}
    for name, library in libraries.items():
        count, places = ctypes.c_size_t(OPTIONS), pointers(*columns.values(), theirs)
        function = library.price_all
        function.restype = None
        result = paired(
            lambda: fill_prices(*arguments),
            lambda f=function, n=count, p=places: f(n, *p),  # type: ignore[misc]
            rounds,
        )
        assert np.abs(ours - theirs).max() <= 1e-9, "the C reference gives other prices"
        ratios[name] = result
        note = (
            f"{result.first_s / OPTIONS * 1e9:.2f} ns against {result.second_s / OPTIONS * 1e9:.2f}"
        )
        tell(f"price: speed over {name}", result.ratio, "x", note=note)
    best = min(list(ratios)[:2], key=lambda name: ratios[name].second_s)
    tell("price: speed over the faster IEEE build of C", ratios[best].ratio, "x", ">= 0.9", best)


def bench_VALU_052_price_against_numpy(columns: Columns, rounds: int) -> None:
    """Time the price kernel against NumPy and scipy.special.ndtr."""
    special = peer("scipy.special")
    if special is None:
        return
    from steelyard.valuation.black76 import fill_prices

    is_call, f, k, sigma, t = columns.values()
    ours = np.empty(OPTIONS)

    def theirs() -> Any:
        s = sigma * np.sqrt(t)
        d1 = np.log(f / k) / s + 0.5 * s
        call = f * special.ndtr(d1) - k * special.ndtr(d1 - s)
        return np.where(is_call, call, call - f + k)

    result = paired(lambda: fill_prices(is_call, f, k, sigma, t, ours), theirs, rounds)
    assert np.abs(ours - theirs()).max() <= 1e-9, "NumPy gives other prices"
    note = f"{result.second_s / OPTIONS * 1e9:.1f} ns"
    tell("price: speed over NumPy and scipy.special.ndtr", result.ratio, "x", ">= 8", note)


def bench_VALU_052_price_against_quantlib(columns: Columns, rounds: int) -> None:
    """Time the price kernel against QuantLib's blackFormula in a loop."""
    library = peer("QuantLib")
    if library is None:
        return
    from steelyard.valuation.black76 import fill_prices

    few = [column[:LOOP_OPTIONS].copy() for column in columns.values()]
    ours = np.empty(LOOP_OPTIONS)
    kinds = [library.Option.Call if call else library.Option.Put for call in few[0].tolist()]
    deviations = (few[3] * np.sqrt(few[4])).tolist()
    rows = list(zip(kinds, few[2].tolist(), few[1].tolist(), deviations, strict=True))

    def theirs() -> list[float]:
        return [library.blackFormula(*row) for row in rows]

    result = paired(lambda: fill_prices(*few, ours), theirs, rounds)
    assert np.abs(ours - np.array(theirs())).max() <= 1e-8, "QuantLib gives other prices"
    note = f"version {library.__version__}, Python loop over {LOOP_OPTIONS}"
    tell("price: speed over QuantLib blackFormula", result.ratio, "x", ">= 40", note)


def engine_options(library: Any, columns: Columns, quote: Any) -> list[Any]:
    """Return QuantLib options of whole days to expiry, each with an analytic engine on one quote."""
    today = library.Date(1, 1, 2026)
    library.Settings.instance().evaluationDate = today
    count, calendar = library.Actual365Fixed(), library.NullCalendar()
    flat = library.YieldTermStructureHandle(library.FlatForward(today, 0.0, count))
    options = []
    for is_call, _, strike, sigma, t in zip(*(c.tolist() for c in columns.values()), strict=True):
        kind = library.Option.Call if is_call else library.Option.Put
        exercise = library.EuropeanExercise(today + round(t * 365))
        surface = library.BlackConstantVol(today, calendar, sigma, count)
        process = library.BlackScholesMertonProcess(
            library.QuoteHandle(quote), flat, flat, library.BlackVolTermStructureHandle(surface)
        )
        option = library.VanillaOption(library.PlainVanillaPayoff(kind, strike), exercise)
        option.setPricingEngine(library.AnalyticEuropeanEngine(process))
        options.append(option)
    return options


def bench_VALU_052_price_against_quantlib_engine(rounds: int) -> None:
    """Time repricing after a tick of the spot against QuantLib's VanillaOption and its engine."""
    library = peer("QuantLib")
    if library is None:
        return
    from steelyard.valuation.black76 import fill_prices

    columns = market(ENGINE_OPTIONS)
    columns["time_years"] = np.ceil(columns["time_years"] * 365.0) / 365.0
    quote = library.SimpleQuote(60_000.0)
    options = engine_options(library, columns, quote)
    ours = np.empty(ENGINE_OPTIONS)
    spots = {"ours": 60_000.0, "theirs": 60_000.0}

    def tick(name: str) -> float:
        spots[name] = 60_001.0 if spots[name] == 60_000.0 else 60_000.0
        return spots[name]

    def reprice() -> None:
        for _ in range(TICKS):
            columns["forward"][:] = tick("ours")
            fill_prices(*columns.values(), ours)

    def theirs() -> list[float]:
        quote.setValue(tick("theirs"))
        return [option.NPV() for option in options]

    result = paired(reprice, theirs, min(rounds, 30))
    quote.setValue(spots["ours"])
    assert np.abs(ours - np.array([option.NPV() for option in options])).max() <= 1e-8
    note = f"{result.second_s / ENGINE_OPTIONS * 1e9:.0f} ns an option"
    tell(
        "price: speed over QuantLib engine after a tick", result.ratio * TICKS, "x", ">= 400", note
    )


def bench_VALU_053_greeks_against_price(columns: Columns, rounds: int) -> None:
    """Time price and six Greeks against the price alone."""
    from steelyard.valuation.black76 import fill_prices
    from steelyard.valuation.greeks import fill_greeks

    price, results = np.empty(OPTIONS), [np.empty(OPTIONS) for _ in range(7)]
    result = paired(
        lambda: fill_prices(*columns.values(), price),
        lambda: fill_greeks(*columns.values(), *results),
        rounds,
    )
    assert results[0].tobytes() == price.tobytes()
    note = f"{result.second_s / OPTIONS * 1e9:.2f} ns"
    tell("price and six Greeks: time over the price", result.ratio, "x", "<= 1.5", note)


def compare_rates(columns: Columns, rounds: int) -> None:
    """Time Black-Scholes-Merton and the coin-settled Greeks against the price alone."""
    from steelyard.valuation.black76 import fill_prices
    from steelyard.valuation.black_scholes import fill_black_scholes
    from steelyard.valuation.conventions import fill_coin_greeks

    is_call, forward, strike, volatility, time_years = columns.values()
    price, results = np.empty(OPTIONS), [np.empty(OPTIONS) for _ in range(10)]
    rates = np.full(OPTIONS, 0.04), np.full(OPTIONS, 0.01)
    full = (is_call, forward, strike, *rates, volatility, time_years, 0.01, 1.0 / 365.0, *results)
    for name, program in (
        ("Black-Scholes-Merton, ten values", lambda: fill_black_scholes(*full)),
        ("coin-settled, nine values", lambda: fill_coin_greeks(*columns.values(), *results[:9])),
    ):
        result = paired(lambda: fill_prices(*columns.values(), price), program, rounds)
        note = f"{result.second_s / OPTIONS * 1e9:.2f} ns"
        tell(f"{name}: time over the price", result.ratio, "x", note=note)


def bench_VALU_051_table_against_c(libraries: dict[str, ctypes.CDLL], rounds: int) -> None:
    """Time the scenario table of 1,500 × 32 against the vectorised C reference."""
    from steelyard.valuation.scenarios import SCENARIO_COLUMNS, fill_option_rows

    options = market(ROWS)
    names = ("is_call", "strike", "forward", "volatility", "time_years")
    columns = [options[name] for name in names] + [np.ones(ROWS)]
    up, down = np.full(ROWS, 1.3), np.full(ROWS, 0.7)
    move = np.resize(np.linspace(0.85, 1.15, 9), SCENARIO_COLUMNS)
    kind = (np.arange(SCENARIO_COLUMNS) % 3 - 1).astype(np.int8)
    weight = np.ones(SCENARIO_COLUMNS)
    logs = np.log(move)
    ours, theirs = np.zeros((ROWS, SCENARIO_COLUMNS)), np.zeros((ROWS, SCENARIO_COLUMNS))
    rows = np.arange(ROWS, dtype=np.int32)
    entries = ROWS * SCENARIO_COLUMNS

    def fill() -> None:
        fill_option_rows(ours, rows, *columns, move, up, down, kind, weight)

    for name, library in list(libraries.items())[1:]:
        function = library.table_all
        function.restype = None
        places = pointers(*columns, move, logs, up, down, kind, weight, theirs)
        count = ctypes.c_size_t(ROWS)
        result = paired(lambda f=function, n=count, p=places: f(n, *p), fill, rounds)  # type: ignore[misc]
        assert np.abs(ours - theirs).max() <= 1e-9, "the C reference gives another table"
        note = f"{result.second_s / entries * 1e9:.2f} ns an entry, {result.second_s * 1e6:.0f} us"
        goal = "<= 1.3" if "IEEE" in name else ""
        tell(f"table 1,500 x 32: time over {name}", result.ratio, "x", goal, note)


def tell_accuracy(columns: Columns) -> None:
    """Report the largest error of the price against 40 digits."""
    mp = peer("mpmath")
    if mp is None:
        return
    from steelyard.valuation.black76 import black76_price

    few = [column[:1000] for column in columns.values()]
    worst = 0.0
    with mp.workdps(45):
        rows = zip(*(c.tolist() for c in few), black76_price(*few).tolist(), strict=True)
        for is_call, f, k, sigma, t, price in rows:
            s = mp.mpf(sigma) * mp.sqrt(mp.mpf(t))
            d1 = mp.log(mp.mpf(f) / mp.mpf(k)) / s + s / 2
            call = f * mp.ncdf(d1) - k * mp.ncdf(d1 - s)
            exact = call if is_call else call - f + k
            worst = max(worst, float(abs(price - exact) / (f if is_call else max(f, k))))
    tell("price: largest error / F (puts: max(F, K))", worst, "", "<= 2e-15", "1,000 options")


def tell_start_up() -> None:
    """Report how long each kernel module compiles, and how long it loads from the cache."""
    with tempfile.TemporaryDirectory() as cache:
        for temperature in ("cold", "cached"):
            environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT / "src")}
            start = time.perf_counter()
            command = [sys.executable, "-c", COMPILE]
            done = subprocess.run(command, env=environment, capture_output=True, check=True)
            total = time.perf_counter() - start
            for name, seconds in json.loads(done.stdout).items():
                tell(f"start-up, {temperature}: {name}", seconds, "s")
            tell(f"start-up, {temperature}: whole process", total, "s")


def measure(rounds: int) -> None:
    """Run every comparison."""
    columns = market(OPTIONS)
    with tempfile.TemporaryDirectory() as folder:
        libraries = build(folder)
        if libraries:
            bench_VALU_050_price_against_c(columns, libraries, rounds)
            bench_VALU_051_table_against_c(libraries, rounds)
    bench_VALU_053_greeks_against_price(columns, rounds)
    bench_VALU_052_price_against_numpy(columns, rounds)
    bench_VALU_052_price_against_quantlib(columns, rounds)
    bench_VALU_052_price_against_quantlib_engine(rounds)
    compare_rates(columns, rounds)
    tell_accuracy(columns)
    tell_start_up()


def main(arguments: list[str] | None = None) -> int:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="30 rounds instead of 60")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args(arguments)
    rounds = 30 if options.quick else 60
    quiet: Callable[[], Any] = lambda: contextlib.redirect_stdout(io.StringIO())  # noqa: E731
    with quiet() if options.json else contextlib.nullcontext():
        print_machine()
        measure(rounds)
    if options.json:
        print(json.dumps({"machine": machine_as_dict(), "figures": figures}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
