"""100,000 accounts x 20 positions under one scenario method, one core.

scan       the worst P&L of each account over all scenarios, ours, against the same aggregation by
           scipy.sparse: CSR (account, instruments) @ (instruments, scenarios), least of each row.
           Only paradex-pm is a plain sum over legs; derive-pmrm2 discounts and folds each expiry,
           which a matrix product cannot do, so there the product is a lower bound of a peer's work
whole      equity and both requirements of every account, all charges included, against that product
plain      the whole against the readable evaluation of the same formulas on numpy columns
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.machine import paired, peer, print_machine, report
from bench.margin_books import METHODS, many_books, prepare
from steelyard.margin.methods.core.books import Books, Segments
from steelyard.margin.methods.core.instruments import Floats
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.scan import fill_scan
from steelyard.margin.methods.core.what_if import margins, plain_margins

ACCOUNTS = 100_000
POSITIONS = 20


def our_scan(prepared: Prepared, books: Books) -> Callable[[], Floats]:
    """Return the worst P&L of each account as a program."""
    parts = Segments(books, prepared.instruments, one_unit_each=True)
    worst, where = np.zeros(books.size), np.zeros(books.size)

    def run() -> Floats:
        fill_scan(
            prepared.table, prepared.base, books.instrument, books.quantity, parts.group_start,
            parts.unit_start, prepared.discount_long, prepared.discount_short, prepared.weight,
            prepared.folds, prepared.is_discounted, len(prepared.scenarios), np.empty((0, 0)),
            worst, where,
        )  # fmt: skip
        return worst

    return run


def their_scan(sparse: Any, prepared: Prepared, books: Books) -> Callable[[], Floats]:
    """Return the same as a sparse product and the least of its rows."""
    table = np.ascontiguousarray(prepared.table[:, : len(prepared.scenarios)])
    starts = np.arange(0, len(books.quantity) + 1, POSITIONS)
    held = sparse.csr_matrix(
        (books.quantity, books.instrument, starts), shape=(books.size, len(table))
    )

    def run() -> Floats:
        return np.asarray((held @ table).min(axis=1))

    return run


def compare(method: str, rounds: int) -> None:
    """Check that the sides agree where they can, then time them and report."""
    prepared, books = prepare(method), many_books(ACCOUNTS, POSITIONS)
    for ours, theirs in zip(margins(prepared, books), plain_margins(prepared, books), strict=True):
        assert np.array_equal(ours, theirs), f"{method}: the program and the evaluation differ"

    def whole() -> object:
        return margins(prepared, books)

    sparse = peer("scipy.sparse")
    if sparse is not None:
        scan, product = our_scan(prepared, books), their_scan(sparse, prepared, books)
        if not prepared.has_discounts and not prepared.rules.scan:
            np.testing.assert_allclose(scan(), product(), rtol=1e-9, atol=1e-6)
            bare = paired(scan, product, rounds)
            report(f"{method}, scan against scipy.sparse", bare.ratio, "x faster", goal=">= 1.5",
                   note=f"{1e3 * bare.first_s:.0f} ms")  # fmt: skip
        told = paired(whole, product, rounds)
        report(f"{method}, whole margin against that product", told.ratio, "x faster",
               note=f"{1e3 * told.first_s:.0f} ms")  # fmt: skip
    plain = paired(whole, lambda: plain_margins(prepared, books), max(2, rounds // 5), warm_up=1)
    report(f"{method}, whole margin against plain", plain.ratio, "x faster")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 7 if parser.parse_args().quick else 31
    print_machine()
    for method in METHODS:
        compare(method, rounds)


if __name__ == "__main__":
    main()
