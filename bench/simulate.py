"""How many simulated portfolios a second: 50 option positions, through the handler, one core, warm.

The figure is a `SimulateParams` in and a `Portfolio` out, the numbers of an account with a perpetual and the
50 options traded at the mark, and of the same account without its next expiry. With JSON: bytes in, bytes
out; and by JSON-RPC with limits and scopes; all without a transport. The peer margins the same account as a case (`margin_of`), which is what the
handler's numbers must equal, once, without what lies around it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import msgspec
import numpy as np

from bench.machine import paired, print_machine, report
from bench.margin_books import CONTRACTS, METHODS, market
from steelyard.margin.methods.registry import margin_of
from steelyard.service.access.session import Session
from steelyard.service.answers import Context, StatedDesk
from steelyard.service.answers.catalog import methods
from steelyard.service.answers.portfolio import (
    SimulateParams,
    simulate_portfolio,
    simulation_of,
)
from steelyard.service.rpc.dispatch import Dispatcher, Incident
from steelyard.service.rpc.registry import Method, Registry
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Position

OPTIONS = 50
HELD = 10
AT_ONCE = 200
CURRENCY = {"derive-pmrm2": "USDC", "paradex-pm": "USD", "deribit-pm": "BTC"}


class Everyone(msgspec.Struct, frozen=True):
    """Who asks: a key of every account."""

    accounts: frozenset[str] | None = None


def question(method: str) -> tuple[Context, list[SimulateParams]]:
    """Return a desk with one account, and different simulations of 50 options each."""
    draw = np.random.default_rng(5)
    coin = "BTC" if method == "deribit-pm" else "USDC"
    options = CONTRACTS[1:]
    held = (
        Position("BTC-PERPETUAL", 2.0),
        *(Position(options[i], 1.0) for i in draw.choice(len(options), HELD, replace=False)),
    )
    account = Account(balances={coin: 100.0 if coin == "BTC" else 1e6}, positions=held)
    desk = StatedDesk(market(), {"trader": account}, documents().get(method))
    asked = []
    for _ in range(8):
        chosen = draw.choice(len(options), OPTIONS, replace=False)
        sizes = {options[i]: float(draw.normal(0, 5)) for i in chosen}
        asked.append(SimulateParams(CURRENCY[method], True, sizes))
    return Context(Everyone(), desk, 0), asked


def bench_ANSW_001_simulations_a_second(method: str, rounds: int) -> None:
    """Check that the handler says what margining the case says, then time both."""
    ask, asked = question(method)
    for params in asked:
        scope, case = simulation_of(params, ask)
        answer, found = margin_of(case, scope.document), simulate_portfolio(params, ask)
        assert found.initial_margin == answer.initial_requirement, method
        assert found.maintenance_margin == answer.maintenance_requirement, method
    scope, case = simulation_of(asked[0], ask)
    bodies = [msgspec.json.encode(params) for params in asked]
    decoder, encoder = msgspec.json.Decoder(SimulateParams), msgspec.json.Encoder()

    def handled() -> None:
        for k in range(AT_ONCE):
            simulate_portfolio(asked[k % len(asked)], ask)

    def in_bytes() -> None:
        for k in range(AT_ONCE):
            encoder.encode(simulate_portfolio(decoder.decode(bodies[k % len(bodies)]), ask))

    def by_case() -> None:
        for _ in range(AT_ONCE // 20):
            margin_of(case, scope.document)

    service = Dispatcher(Registry(methods()), charge=_free, on_incident=_fail)
    calls = [
        encoder.encode(
            {"jsonrpc": "2.0", "id": 1, "method": "private/simulate_portfolio", "params": params}
        )
        for params in asked
    ]
    session = Session("key", frozenset({"simulate"}), None)
    assert b'"error"' not in (service.answer(calls[0], session, ask.desk, _clock) or b'"error"')

    def by_rpc() -> None:
        for k in range(AT_ONCE):
            service.answer(calls[k % len(calls)], session, ask.desk, _clock)

    handler = paired(handled, by_case, rounds)
    report(
        f"{method}, {OPTIONS} options, handler", _rate(handler.first_s), "a second", goal=">= 5000"
    )
    report(f"{method}, handler against margin_of", 20 * handler.ratio, "x faster")
    whole = paired(in_bytes, by_case, rounds)
    report(f"{method}, {OPTIONS} options, JSON to JSON", _rate(whole.first_s), "a second")
    rpc = paired(by_rpc, by_case, rounds)
    report(f"{method}, {OPTIONS} options, JSON-RPC", _rate(rpc.first_s), "a second", goal=">= 3000")
    _first_answer(method)


def _free(session: Session, method: Method, time_us: int, address: str) -> None:
    """Charge nothing."""


def _fail(incident: Incident) -> None:
    raise incident.error


def _clock() -> int:
    return 1_780_300_800_000_000


def _rate(seconds: float) -> float:
    return AT_ONCE / seconds


def _first_answer(method: str) -> None:
    """Report what the first answer of another market costs: the tables, then the compiled program."""

    def cold() -> Callable[[], object]:
        ask, asked = question(method)
        return lambda: simulate_portfolio(asked[0], ask)

    pairs = [cold() for _ in range(8)]
    taken = iter(pairs)
    first = paired(lambda: next(taken)(), lambda: None, 5)
    report(f"{method}, first answer of a market", 1e3 * first.first_s, "ms")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 7 if parser.parse_args().quick else 31
    print_machine()
    for method in METHODS:
        bench_ANSW_001_simulations_a_second(method, rounds)


if __name__ == "__main__":
    main()
