"""Standings that are worked out together are those that are worked out alone, to the last bit."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.margin.methods.prices.standing import Prober, Shift, Standing
from steelyard.margin.methods.registry import core_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case, Svi
from tests.margin.methods.prices.critical_books import WITH_OPTIONS, books, case_of, document_of
from tests.support.method_cases import CASES

replace = msgspec.structs.replace
HOUR_US = 3_600_000_000


def check_together(case: Case[Any], shifts: list[Shift]) -> int:
    """Hold every standing worked out together against the one alone; count them."""
    prober = Prober(case, document_of(case))
    count = 0
    for shift, found in zip(shifts, prober.together(shifts), strict=True):
        alone = prober.moved(shift)
        if found is None:
            continue
        assert found == alone
        count += 1
    return count


def shifts_of(name: str, price: float) -> list[list[Shift]]:
    """Return shifts of price, of volatility, of time, and of all three."""
    factors = [0.2, 0.7, 0.97, 1.0, 1.03, 1.4, 5.0]
    prices = [Shift({name: price * factor}) for factor in factors]
    stretched = [Shift(volatility=factor) for factor in factors]
    later = [Shift(later_us=hours * HOUR_US) for hours in (0, 1, 30, 92, 93, 24 * 50, 24 * 500)]
    mixed = [
        Shift({name: price * factor}, factor, hours * HOUR_US)
        for factor, hours in zip(factors, (1, 2, 3, 92, 0, 5, 24 * 70), strict=True)
    ]
    return [prices, stretched, later, mixed]


def test_LIQP_035_open_cases_stand_together_as_they_stand_alone() -> None:
    together = 0
    for method in documents().names():
        document = documents().get(method)
        path = CASES / f"{method}.jsonl"
        if document.core != "scenario" or not path.exists():
            continue
        decoder = msgspec.json.Decoder(Case[core_of(document).number])  # type: ignore[misc]
        for line in path.read_bytes().splitlines():
            case = decoder.decode(line)
            for name, stated in case.market.underlyings.items():
                if stated.index_price is not None:
                    for shifts in shifts_of(name, stated.index_price):
                        together += check_together(case, shifts)
    assert together > 500


@settings(max_examples=25, deadline=None)
@given(books(tuple(sorted(WITH_OPTIONS | {"okx-pm"}))), st.booleans(), st.booleans())
def test_LIQP_035_random_books_stand_together_as_they_stand_alone(
    case: Any, is_marked: bool, is_svi: bool
) -> None:
    if is_marked:
        positions = tuple(
            replace(each, mark_price=7.5, delta=0.3 if each.instrument.endswith("C") else -0.3)
            if each.instrument[-1] in "CP"
            else each
            for each in case.account.positions
        )
        case = replace(case, account=replace(case.account, positions=positions))
    if is_svi:
        svi = Svi(0.04, 0.1, -0.2, 0.0, 0.3, 100.0, 0.2)
        eth = case.market.underlyings["ETH"]
        expiries = tuple(replace(each, implied_volatility=None, svi=svi) for each in eth.expiries)
        market = case.market.underlyings | {"ETH": replace(eth, expiries=expiries)}
        case = replace(case, market=replace(case.market, underlyings=market))
    for shifts in shifts_of("ETH", 100.0):
        assert check_together(case, shifts) > 0 or not case.account.positions


def test_LIQP_035_what_cannot_be_worked_out_together_is_left_to_be_asked_alone() -> None:
    case = case_of("paradex-pm", 50.0, {"ETH-31JUL26-100-C": 1.0})
    eth = case.market.underlyings["ETH"]
    bare = tuple(replace(each, implied_volatility=None) for each in eth.expiries)
    blind = replace(
        case, market=replace(case.market, underlyings={"ETH": replace(eth, expiries=bare)})
    )
    prober = Prober(blind, document_of(blind))
    assert prober.together([Shift({"ETH": 90.0})]) == [None]
    assert str(prober.moved(Shift({"ETH": 90.0}))).startswith("METH-E01")
    wrong = Prober(case, document_of(case))
    found = wrong.together([Shift({"ETH": 90.0}), Shift({"ETH": -1.0})])
    assert isinstance(found[0], Standing)
    assert found[1] is None
    exact = case_of("dydx-v4", 50.0, {"ETH-PERPETUAL": 1.0})
    assert Prober(exact, document_of(exact)).together([Shift({"ETH": 90})]) == [None]
