"""Why a book of 50 options needs its margin, against the margin itself, one core.

Both start from the stated case: the market is read, the scenario table worked out, the account margined.
The explanation adds each leg's exact share of every part, the runners-up among the scenarios, and what
one unit more of each contract would cost, bought and sold.
"""

from __future__ import annotations

import argparse
from functools import partial

from bench.machine import paired, print_machine, report
from bench.margin_books import CONTRACTS, METHODS, market, one_book
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.registry import explanation_of, margin_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Position

OPTIONS = 50


def stated(method: str) -> Case[float]:
    """Return the book of the benches as a case."""
    names = Instruments(market(), CONTRACTS, []).names
    book = one_book(OPTIONS)
    positions = tuple(
        Position(names[row], size)
        for row, size in zip(book.instrument.tolist(), book.quantity.tolist(), strict=True)
    )
    balances = {"BTC": 20.0} if method == "deribit-pm" else {"USDC": 1e6}
    account = Account(balances=balances, positions=positions)
    return Case("book", method, market=market(), account=account)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 31 if parser.parse_args().quick else 201
    print_machine()
    for method in METHODS:
        case, document = stated(method), documents().get(method)
        answer, told = margin_of(case, document), explanation_of(case, document)
        assert told is not None
        assert abs(float(told.initial) - float(answer.initial_requirement or 0)) < 1e-6
        found = paired(
            partial(margin_of, case, document), partial(explanation_of, case, document), rounds
        )
        report(f"{method}, explanation", found.ratio, "x its margin", goal="<= 10",
               note=f"{1e3 * found.second_s:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
