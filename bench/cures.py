"""How long it takes to say how to cure an account: 50 options held, 100 contracts to trade, one core.

The whole answer: deposits, the kept fraction, single legs, the smallest curing trade of every contract
bought or sold, the ten cheapest in order. Its peer searches the trades alone, by the same rounds, and asks
the method for every changed statement one by one, as `steelyard margin --cases` would; of 4 contracts,
since it takes that long. Both must name the same trades.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from msgspec.structs import replace

from bench.machine import paired, print_machine, report
from bench.margin_books import CONTRACTS, METHODS, market
from steelyard.margin.methods.cures import cures_of, leave_one_out
from steelyard.margin.methods.cures.batches import BatchDesk
from steelyard.margin.methods.cures.desks import CaseDesk
from steelyard.margin.methods.cures.levels import wanted_of
from steelyard.margin.methods.cures.quotes import Charges
from steelyard.margin.methods.cures.trades import trades_of
from steelyard.margin.methods.registry import margin_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Position

HELD, TRADED = 50, 100
CASH = {"derive-pmrm2": "USDC", "paradex-pm": "USDC", "deribit-pm": "BTC"}
FEE = 0.0003


def case_of(method: str) -> Case[Any]:
    """Return a book of options and a perpetual, with four fifths of the equity that it needs."""
    rng = np.random.default_rng(5)
    names = [CONTRACTS[1 + i] for i in rng.choice(len(CONTRACTS) - 1, HELD - 1, replace=False)]
    sizes = rng.normal(0, 5, HELD - 1).round(2)
    positions = (
        Position("BTC-PERPETUAL", 20.0),
        *(Position(name, float(size)) for name, size in zip(names, sizes, strict=True)),
    )
    case: Case[Any] = Case("bench", method, market=market(), account=Account(positions=positions))
    answer = margin_of(case, documents().get(method))
    missing = 0.8 * float(answer.initial_requirement or 0) - float(answer.equity or 0)
    account = replace(case.account, balances={CASH[method]: missing})
    return replace(case, account=account)


def bench_CURE_016_whole_answer(method: str, rounds: int) -> None:
    """Time the cures of the book, and its shares by leaving out."""
    case, document = case_of(method), documents().get(method)
    tradable = CONTRACTS[:TRADED]
    found = cures_of(case, document, tradable=tradable, taker_fee=FEE)
    assert found.trades
    for name, asked in (
        ("cures", lambda: cures_of(case, document, tradable=tradable, taker_fee=FEE)),
        ("leave-one-out", lambda: leave_one_out(case, document)),
        ("margin", lambda: margin_of(case, document)),
    ):
        report(f"{method}, {name}", 1e3 * _median(asked, rounds), "ms")


def _median(asked: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        asked()
        times.append(perf_counter() - start)
    return median(times)


def bench_CURE_016_against_one_by_one(method: str) -> None:
    """Time the search for trades against asking for each changed statement by itself."""
    case, document = case_of(method), documents().get(method)
    wanted, charges = wanted_of(1.0, "initial"), Charges(FEE)
    names = [position.instrument for position in case.account.positions[:4]]
    answer = margin_of(case, document)
    requirement = answer.initial_requirement or 0.0
    short = wanted.slack(answer.equity, requirement)

    def in_columns() -> object:
        desk = BatchDesk(case, document, wanted, names, charges)
        return trades_of(desk, requirement, short, 1e-4, 10)

    def one_by_one() -> object:
        priced = BatchDesk(case, document, wanted, names, charges)
        desk = CaseDesk(case, document, priced.ledger, wanted, names, charges)
        desk.case, desk.quotes = priced.case, priced.quotes
        return trades_of(desk, requirement, short, 1e-4, 10)

    assert in_columns() == one_by_one(), f"{method}: the two find different trades"
    times = paired(in_columns, one_by_one, 3, warm_up=0)
    report(f"{method}, {len(names)} contracts, against one by one", times.ratio, "x faster")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 3 if parser.parse_args().quick else 15
    print_machine()
    for method in METHODS:
        bench_CURE_016_whole_answer(method, rounds)
        bench_CURE_016_against_one_by_one(method)


if __name__ == "__main__":
    main()
