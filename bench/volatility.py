"""Microseconds a move of the volatility state, beside recomputing the averages over their windows.

    python -m bench.volatility [--quick]

Twenty assets move once a second, so that every move is a sample of the shortest horizon: the worst case for us.
After each move every horizon's volatility is read. The peers keep the last WINDOW returns of each
horizon and compute the exponentially weighted averages from them anew: numpy with stored weights, and
pandas with `ewm`. Both answers are compared first. Then moves alone, at ten a second, which is a busy index; and
the matrix of twenty assets.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bench.machine import paired, peer, print_machine, report
from steelyard.marks.volatility import (
    VolatilityState,
    drift_ppm,
    observe_index,
    read_correlation,
)
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import Horizon, VolatilityRules

ASSETS = 20
WINDOW = 1_200
SECOND_US = 1_000_000
START_US = 1_700_000_100_000_000
RULES = VolatilityRules()

Reader = Callable[[int], list[float]]


def market(seconds: int, moves: int, seed: int) -> list[list[float]]:
    """Return prices by step and asset at `moves` a second, 80 % a year."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((seconds * moves, ASSETS))
    prices = np.exp(np.cumsum(noise * 0.8 * math.sqrt(SECOND_US / YEAR_US / moves), axis=0))
    rows: list[list[float]] = (100.0 * prices).tolist()
    return rows


class Ours:
    """The volatility state, with the reading of an asset's horizons."""

    def __init__(self) -> None:
        self.state = VolatilityState()

    def move(self, slot: int, price: float, time_us: int) -> None:
        observe_index(self.state, slot, price, time_us, RULES)

    def read(self, slot: int) -> list[float]:
        asset = self.state.assets[slot]
        return [
            math.sqrt(each.variance(asset.price, asset.time_us, horizon))
            for each, horizon in zip(asset.horizons, RULES.horizons, strict=True)
        ]


class Windows:
    """The last returns of every asset and horizon; `average` turns a window into a variance."""

    def __init__(self, average: Callable[[NDArray[np.float64], Horizon], float]) -> None:
        self.average = average
        self.squares = np.zeros((ASSETS, len(RULES.horizons), WINDOW))
        self.counts = [[0] * len(RULES.horizons) for _ in range(ASSETS)]
        self.last: list[list[tuple[float, int]]] = [[] for _ in range(ASSETS)]

    def move(self, slot: int, price: float, time_us: int) -> None:
        last = self.last[slot]
        if not last:
            last.extend([(price, time_us)] * len(RULES.horizons))
            return
        for number, horizon in enumerate(RULES.horizons):
            before, at_us = last[number]
            if time_us - at_us >= horizon.sample_us:
                window, count = self.squares[slot, number], self.counts[slot][number]
                if count == WINDOW:
                    window[:-1] = window[1:]
                    count -= 1
                rate = math.log(price / before) ** 2 * (YEAR_US / (time_us - at_us))
                window[count] = rate
                self.counts[slot][number] = count + 1
                last[number] = (price, time_us)

    def read(self, slot: int) -> list[float]:
        return [
            math.sqrt(self.average(self.squares[slot, number, : self.counts[slot][number]], each))
            for number, each in enumerate(RULES.horizons)
            if self.counts[slot][number]
        ]


def numpy_average() -> Callable[[NDArray[np.float64], Horizon], float]:
    """Return the average of a window by one product with weights that are kept."""
    weights = {
        each: 2.0 ** (-np.arange(WINDOW - 1, -1, -1) * each.sample_us / each.half_life_us)
        for each in RULES.horizons
    }

    def average(window: NDArray[np.float64], horizon: Horizon) -> float:
        own = weights[horizon][WINDOW - len(window) :]
        return float(own @ window / own.sum())

    return average


def pandas_average(pandas: ModuleType) -> Callable[[NDArray[np.float64], Horizon], float]:
    """Return the average of a window by pandas' own exponential weighting."""

    def average(window: NDArray[np.float64], horizon: Horizon) -> float:
        half_life = horizon.half_life_us / horizon.sample_us
        return float(pandas.Series(window).ewm(halflife=half_life).mean().iloc[-1])

    return average


def run(side: Ours | Windows, rows: list[list[float]], start_us: int, *, reads: bool) -> None:
    """Play a second a row, and read after every move if asked to."""
    for number, row in enumerate(rows):
        at_us = start_us + number * SECOND_US
        for slot, price in enumerate(row):
            side.move(slot, price, at_us)
            if reads:
                side.read(slot)


def compare(
    name: str, average: Callable[[NDArray[np.float64], Horizon], float], rounds: int, goal: str
) -> None:
    """Check that both sides say the same, then time a second of twenty assets on each."""
    rows = market(WINDOW + 400, 1, 1)
    ours, theirs = Ours(), Windows(average)
    run(ours, rows[:WINDOW], START_US, reads=False)
    run(theirs, rows[:WINDOW], START_US, reads=False)
    for slot in range(ASSETS):
        for own, other in zip(closed(ours, slot), theirs.read(slot), strict=False):
            assert abs(own / other - 1.0) < 1e-5, (own, other)
    clocks = [WINDOW, WINDOW]

    def second(side: Ours | Windows, which: int) -> None:
        at = clocks[which]
        clocks[which] += 1
        run(side, [rows[at]], START_US + at * SECOND_US, reads=True)

    found = paired(lambda: second(ours, 0), lambda: second(theirs, 1), rounds)
    report("volatility, a move with its reading", found.first_s / ASSETS * 1e6, "µs", goal="<= 20")
    note = (
        f"{found.second_s / ASSETS * 1e6:.1f} µs a move; quartiles {found.low:.1f}…{found.high:.1f}"
    )
    report(f"  recomputed over the window by {name}", found.ratio, "× ours", goal=goal, note=note)


def closed(ours: Ours, slot: int) -> list[float]:
    """Return the volatilities of whole samples, without the move since the last one."""
    known = [each for each in ours.state.assets[slot].horizons if each.weight > 0.0]
    return [math.sqrt(each.total / each.weight) for each in known]


def time_moves(rounds: int) -> None:
    """Report a move of a busy index, beside what any change of state costs: one dictionary entry."""
    rows = market(rounds + 20, 10, 2)
    ours, clock = Ours(), [0]
    plain: dict[int, tuple[float, int]] = {}

    def tenth_seconds(observe: Callable[[int, float, int], None]) -> None:
        for _ in range(10):
            at_us = START_US + clock[0] * SECOND_US // 10
            for slot, price in enumerate(rows[clock[0] % len(rows)]):
                observe(slot, price, at_us)
            clock[0] += 1

    def entry(slot: int, price: float, time_us: int) -> None:
        plain[slot] = (price, time_us)

    found = paired(lambda: tenth_seconds(ours.move), lambda: tenth_seconds(entry), rounds)
    moves = 10 * ASSETS
    note = f"storing the price alone {found.second_s / moves * 1e6:.2f} µs"
    value = found.first_s / moves * 1e6
    report("volatility, a move at ten a second", value, "µs", goal="<= 4", note=note)


def time_matrix(rounds: int) -> None:
    """Report the correlations of twenty assets: closing a bar, and reading the matrix."""
    rules = VolatilityRules(weight_min=0.001)
    rows = market(4 * rounds + 100, 1, 3)
    state, clock = VolatilityState(), [0]
    for slot, price in enumerate(rows[0]):
        observe_index(state, slot, price, START_US, rules)

    def bar() -> None:
        clock[0] += 1
        state.correlations.close_bar(rows[clock[0]], [True] * ASSETS, False, rules)

    for _ in range(30):
        bar()
    reading = read_correlation(state, START_US, rules)
    assert np.linalg.eigvalsh(np.array(reading.matrix)).min() > 0.0
    found = paired(bar, lambda: read_correlation(state, START_US, rules), rounds)
    report("volatility, closing a bar of 20 assets' correlations", found.first_s * 1e6, "µs")
    report("volatility, reading their matrix and its stresses", found.second_s * 1e6, "µs")

    def drifts() -> None:
        for slot in range(ASSETS):
            drift_ppm(state, slot, 5 * SECOND_US, rules)

    found = paired(drifts, bar, rounds)
    report("volatility, drift of an old index", found.first_s / ASSETS * 1e6, "µs")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 60 if parser.parse_args().quick else 300
    print_machine()
    compare("numpy", numpy_average(), rounds, ">= 1.2")
    if (pandas := peer("pandas")) is not None:
        compare("pandas", pandas_average(pandas), min(rounds, 60), ">= 20")
    time_moves(rounds)
    time_matrix(rounds)


if __name__ == "__main__":
    main()
