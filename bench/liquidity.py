"""The cost of a book: per change of its levels, and per tick of 50 levels read for its liquidity.

    python -m bench.liquidity [--quick]

Two pairs of programs take the same messages in turn, after their answers were compared. Changes: the order
book against a dict whose best 50 are sorted out after each change, and against a SortedDict. Ticks: the
liquidity state (book taken, market read, two unwindings priced) against the same figures from NumPy arrays.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from bench.machine import paired, peer, print_machine, report
from steelyard.feeds.live.messages import BookChange, BookSnapshot
from steelyard.feeds.live.order_book import OrderBook
from steelyard.marks.liquidity import LiquidityState, apply_book, read_market, unwind_cost
from steelyard.terms import load_method
from steelyard.terms.liquidity_rules import HOUSE_LIQUIDITY as RULES
from steelyard.ticks import BookTick

SHOWN = 50
CHANGED = 20
TICK = 0.5
Level = tuple[float, float]


def messages(count: int, seed: int, size: int) -> tuple[BookSnapshot, list[BookChange]]:
    """Return a book of `size` levels a side and changes of 20 levels, most of them near the best.

    The mid wanders; what it passes is taken away, as an exchange does.
    """
    random = Random(seed)
    mid = 100_000
    low, high = mid - size, mid + size

    def quantity() -> float:
        return random.randint(1, 400) / 100

    bids = [((mid - 1 - n) * TICK, quantity()) for n in range(size)]
    asks = [((mid + 1 + n) * TICK, quantity()) for n in range(size)]
    changes = []
    for number in range(count):
        step = random.choice((-1, 0, 0, 1))
        passed = (mid + step) * TICK
        mid = min(high, max(low, mid + step))
        sides: tuple[list[Level], list[Level]] = ([(passed, 0.0)], [(passed, 0.0)])
        for _ in range(CHANGED - 2):
            side = random.randint(0, 1)
            away = 1 + int(random.paretovariate(0.8)) % size
            price = (mid - away if side == 0 else mid + away) * TICK
            sides[side].append((price, 0.0 if random.random() < 0.2 and away > 3 else quantity()))
        changes.append(BookChange("X", *sides, number + 1, number, number, number - 1))
    return BookSnapshot("X", bids, asks, 0, -1), changes


def own_pass(book: OrderBook, changes: list[BookChange]) -> list[Any]:
    """Return the best levels after the last change; they are asked for after each."""
    book.sequence = -1
    last: Any = None
    for change in changes:
        book.apply(change)
        last = book.top(SHOWN)
    return list(last)


def merge(table: Any, levels: list[Level]) -> None:
    """Take changed levels into a mapping of price to quantity."""
    for price, quantity in levels:
        if quantity == 0.0:
            table.pop(price, None)
        else:
            table[price] = quantity


def table_pass(bids: Any, asks: Any, changes: list[BookChange]) -> list[Any]:
    """The same from plain dicts whose keys are sorted after each change."""
    last: list[Any] = []
    for change in changes:
        merge(bids, change.bids)
        merge(asks, change.asks)
        last = [
            [(price, bids[price]) for price in sorted(bids, reverse=True)[:SHOWN]],
            [(price, asks[price]) for price in sorted(asks)[:SHOWN]],
        ]
    return last


def sorted_dict_pass(bids: Any, asks: Any, changes: list[BookChange]) -> list[Any]:
    """The same from a SortedDict a side."""
    last: list[Any] = []
    for change in changes:
        merge(bids, change.bids)
        merge(asks, change.asks)
        best, least = bids.keys()[-1 : -SHOWN - 1 : -1], asks.keys()[:SHOWN]
        last = [[(price, bids[price]) for price in best], [(price, asks[price]) for price in least]]
    return last


def bench_OBOK_014_changes(count: int, rounds: int, size: int) -> None:
    """Time changes of 20 levels in a book of `size` a side, the best 50 read after each.

    The books stand before the clock runs, and every pass takes the same changes in again.
    """
    snapshot, changes = messages(count, 1, size)
    book = OrderBook()
    book.apply(snapshot)
    tables = dict(snapshot.bids), dict(snapshot.asks)
    peers: list[tuple[str, float, Callable[[], list[Any]]]] = [
        ("dict and sorted()", 2.0, lambda: table_pass(*tables, changes))
    ]
    containers = peer("sortedcontainers")
    if containers is not None:
        kept = containers.SortedDict(snapshot.bids), containers.SortedDict(snapshot.asks)
        peers.append(("SortedDict", 1.2, lambda: sorted_dict_pass(*kept, changes)))
    for name, goal, theirs in peers:
        assert own_pass(book, changes) == theirs(), name
        result = paired(lambda: own_pass(book, changes), theirs, rounds)
        one, other = result.first_s / count * 1e6, result.second_s / count * 1e6
        note = f"{one:.1f} us against {other:.1f} us a change"
        report(
            f"order book of {size:,}: speed over {name}",
            result.ratio,
            "x",
            goal=f">= {goal}",
            note=note,
        )

    def only_changes() -> None:
        book.sequence = -1
        for change in changes:
            book.apply(change)

    result = paired(only_changes, lambda: table_pass(*tables, changes[: count // 10]), rounds)
    each = result.first_s / count / CHANGED * 1e6
    report(f"order book of {size:,}: time of a changed level", each, "us", goal="<= 1")


def ticks(count: int) -> list[BookTick]:
    """Return book ticks of 50 levels from the same messages."""
    snapshot, changes = messages(count, 2, 1_000)
    book, made = OrderBook(), []
    book.apply(snapshot)
    for number, change in enumerate(changes):
        book.apply(change)
        at_us = 1_000_000 + 100_000 * number
        columns = book.columns(SHOWN)
        made.append(BookTick(at_us, "f", number, "m", "BTC", "BTC-PERPETUAL", *columns, at_us))
    return made


def numpy_side(mid: float, prices: list[float], quantities: list[float], bands: Any) -> Any:
    """Return depth in the bands, cumulated notional, cumulated cost and distances of one side."""
    distance = np.abs(np.array(prices) - mid) / mid
    size = np.array(quantities) * mid
    notional, cost = np.cumsum(size), np.cumsum(size * distance)
    count = np.searchsorted(distance, bands, side="right")
    return np.where(count > 0, notional[count - 1], 0.0), notional, cost, distance


def numpy_cost(side: Any, notional: float) -> float:
    """Return the cost of a notional that the book shows."""
    _, cumulated, cost, distance = side
    level = int(np.searchsorted(cumulated, notional))
    if level == 0:
        return float(notional * distance[0])
    return float(cost[level - 1] + (notional - cumulated[level - 1]) * distance[level])


def bench_LIQU_042_ticks(count: int, rounds: int) -> None:
    """Time ticks of 50 levels: taken, read in five bands, and two unwindings priced."""
    made, terms = ticks(count), load_method().underlying_rules("BTC")
    bands = np.array(RULES.bands_ppm) / 1e6
    least = min(
        sum(q * tick.bid_prices[0] for q in quantities)
        for tick in made
        for quantities in (tick.bid_quantities, tick.ask_quantities)
    )
    notional = 0.5 * least

    def taken() -> LiquidityState:
        state = LiquidityState()
        for tick in made:
            apply_book(state, tick, 50_000.0, RULES)
        return state

    def ours() -> list[float]:
        state, told = LiquidityState(), []
        for tick in made:
            apply_book(state, tick, 50_000.0, RULES)
            reading = read_market(state, "BTC", "m", tick.time_us, RULES)
            told = [*reading.bid_depth, *reading.ask_depth]
            for is_sell in (True, False):
                told.append(
                    unwind_cost(
                        state, "BTC", notional, is_sell, tick.time_us, RULES, terms
                    ).cost_usd
                )
        return told

    def theirs() -> list[float]:
        told: list[float] = []
        for tick in made:
            mid = 0.5 * (tick.bid_prices[0] + tick.ask_prices[0])
            bids = numpy_side(mid, tick.bid_prices, tick.bid_quantities, bands)
            asks = numpy_side(mid, tick.ask_prices, tick.ask_quantities, bands)
            told = [*bids[0], *asks[0], numpy_cost(bids, notional), numpy_cost(asks, notional)]
        return told

    assert np.allclose(ours(), theirs(), rtol=1e-12, atol=0.0)
    result = paired(taken, theirs, rounds)
    report("book tick of 50 levels: taken", result.first_s / count * 1e6, "us", goal="<= 15")
    result = paired(ours, theirs, rounds)
    note = f"{result.first_s / count * 1e6:.1f} us with health, flow and models, "
    note += f"{result.second_s / count * 1e6:.1f} us without"
    report("book tick: speed over a NumPy walk", result.ratio, "x", goal=">= 0.7", note=note)


def main(arguments: list[str] | None = None) -> int:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer messages and rounds")
    options = parser.parse_args(arguments)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_machine()
    count, rounds = (300, 9) if options.quick else (1_000, 25)
    for size in (1_000, 5_000):
        bench_OBOK_014_changes(count, rounds, size)
    bench_LIQU_042_ticks(count, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
