"""What one more trade does to a book of 50 options: one question at a time, and 10,000 at once, one core.

A what-if is the book with one more trade in it, margined whole: equity and both requirements, under a
method document, in a market that is prepared (warm). Its peers do the same, bit for bit:

    plain      the readable evaluation of the same formulas on numpy columns, one trade a call
    batched    that evaluation over all the trades at once
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from bench.machine import paired, print_machine, report
from bench.margin_books import METHODS, one_book, prepare
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.what_if import margins, plain_margins, traded

OPTIONS = 50
TRADES = 10_000
SINGLE = 200


def compare(method: str, rounds: int) -> None:
    """Check that the two sides agree, then time them and report."""
    prepared, book = prepare(method), one_book(OPTIONS)
    rng = np.random.default_rng(3)
    rows = rng.integers(0, len(prepared.instruments), TRADES).astype(np.int32)
    sizes = rng.normal(0, 1, TRADES)
    for ours, theirs in zip(
        margins(prepared, traded(prepared, book, rows, sizes)),
        plain_margins(prepared, traded(prepared, book, rows, sizes)),
        strict=True,
    ):
        assert np.array_equal(ours, theirs), f"{method}: the program and the evaluation differ"

    def one_by_one(margin: Callable[[Prepared, object], object]) -> Callable[[], None]:
        def run() -> None:
            for k in range(SINGLE):
                at = slice(k, k + 1)
                margin(prepared, traded(prepared, book, rows[at], sizes[at]))

        return run

    single = paired(one_by_one(margins), one_by_one(plain_margins), rounds)
    batch = paired(
        lambda: margins(prepared, traded(prepared, book, rows, sizes)),
        lambda: plain_margins(prepared, traded(prepared, book, rows, sizes)),
        rounds,
    )
    report(f"{method}, one by one", SINGLE / single.first_s, "a second", goal=">= 5000")
    report(f"{method}, one by one, against plain", single.ratio, "x faster")
    report(f"{method}, {TRADES:,} at once", TRADES / batch.first_s, "a second", goal=">= 100000")
    report(f"{method}, {TRADES:,} at once, against batched", batch.ratio, "x faster")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 5 if parser.parse_args().quick else 31
    print_machine()
    for method in METHODS:
        compare(method, rounds)


if __name__ == "__main__":
    main()
