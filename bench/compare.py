"""The same accounts under every method of the library (`sy.compare`) against the dearest method alone.

    options    one account of 50 options and a perpetual: methods that do not cover options say so
    perpetual  one account of a perpetual and cash: most methods cover it
    many       1,000 accounts of 20 options and perpetuals

Ratios travel; a method that refuses the book costs a little too.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import steelyard as sy
from bench.machine import paired, print_machine, report
from bench.margin_books import CONTRACTS, SPOT, many_books, market, one_book
from steelyard.margin.methods.core.instruments import Instruments

Frame = dict[str, Any]


def frames() -> dict[str, Frame]:
    """Return the positions of each setting as columns."""
    names = Instruments(market(), CONTRACTS, []).names
    one, many = one_book(50), many_books(1_000, 20)
    return {
        "options": {
            "instrument": [*(names[row] for row in one.instrument.tolist()), "BTC-PERPETUAL"],
            "quantity": [*one.quantity.tolist(), 1.5],
            "entry_price": [None] * 50 + [SPOT - 500.0],
        },
        "perpetual": {
            "instrument": ["BTC-PERPETUAL"], "quantity": [1.5], "entry_price": [SPOT - 500.0],
        },
        "many": {
            "account": many.account.tolist(),
            "instrument": [names[row] for row in many.instrument.tolist()],
            "quantity": many.quantity.tolist(),
        },
    }  # fmt: skip


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 5 if parser.parse_args().quick else 31
    print_machine()
    stated, balances = market(), {"cash": 100_000.0}
    for setting, positions in frames().items():
        every = partial(sy.compare, positions, stated, balances=balances)
        rows = every()
        names = dict.fromkeys(rows["method"])
        answered = {n for n, e in zip(rows["method"], rows["error"], strict=True) if e is None}
        costs = {}
        for name in names:
            alone = partial(sy.margin, positions, stated, name, balances=balances)
            costs[name] = paired(alone, every, 2, warm_up=1).first_s
        dearest = max(costs, key=lambda name: costs[name])
        alone = partial(sy.margin, positions, stated, dearest, balances=balances)
        found = paired(alone, every, rounds)
        report(f"{setting}: all {len(names)} methods, {len(answered)} of them answering", found.ratio,
               "x dearest", goal="<= 5", note=f"{dearest} {1e3 * found.first_s:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
