"""Liquidation and bankruptcy prices of a book of 50 options, against its margin, one core.

The margin is that of the stated case, its market read anew. The prices take that account through some
hundred and fifty prices at once, then every flip to the tick; time and volatility likewise.
"""

from __future__ import annotations

import argparse
from functools import partial

from bench.explain import OPTIONS, stated
from bench.machine import paired, print_machine, report
from bench.margin_books import METHODS
from steelyard.margin.methods.prices import (
    critical_prices,
    liquidation_times,
    liquidation_volatility,
)
from steelyard.margin.methods.registry import margin_of
from steelyard.terms.documents import documents

QUESTIONS = {
    "liquidation prices": critical_prices,
    "liquidation time": liquidation_times,
    "liquidation volatility": liquidation_volatility,
}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 5 if parser.parse_args().quick else 31
    print_machine()
    for method in METHODS:
        case, document = stated(method), documents().get(method)
        assert len(case.account.positions) == OPTIONS
        for name, question in QUESTIONS.items():
            (answer,) = question(case, document)
            assert answer.words
            found = paired(
                partial(margin_of, case, document), partial(question, case, document), rounds
            )
            report(f"{method}, {name}", 1e3 * found.second_s, "ms an account",
                   note=f"{found.ratio:.0f} x its margin")  # fmt: skip


if __name__ == "__main__":
    main()
