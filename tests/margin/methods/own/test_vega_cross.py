"""Cross margin of Vega: sides, funding, slippage, levels, parts."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.margin.methods.own import vega
from steelyard.quantities import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.margin.methods.own.vega_twin import FACTORS, account, ask, cross_levels, market
from tests.support.method_cases import CASES, check_case

LINES = (CASES / "vega.jsonl").read_text(encoding="utf-8").splitlines()


def maintenance(
    quantity: Any, orders: Any = (), mark: float = 100, funding: Any = None, **parameters: Any
) -> int:
    found = ask(
        parameters={"risk_factors": FACTORS} | parameters,
        market=market(mark, **({} if funding is None else {"funding_payment": funding})),
        account=account("cross", quantity, orders),
    )
    assert isinstance(found.maintenance_requirement, int)
    return found.maintenance_requirement


@pytest.mark.parametrize("line", LINES, ids=[json.loads(line)["case"] for line in LINES])
def test_VEGA_001_open_cases_agree(line: str) -> None:
    case = msgspec.json.decode(line, type=Case[vega.Number])
    document = documents().get("vega").with_parameters(case.parameters)
    check_case(line, vega.answer(case, document))


def test_VEGA_010_slippage_on_what_is_held_and_risk_on_what_may_be() -> None:
    parameters = {"risk_factors": {"long": 0.1, "short": 0.12}, "linear_slippage": 0.01}
    found = ask(
        parameters=parameters,
        market=market(1000, funding_payment=3.5),
        account=account("cross", 8, [("sell", 5, 1010)]),
    )
    assert found.maintenance_requirement == 908
    more = ask(
        parameters=parameters,
        market=market(1000),
        account=account("cross", 8, [("buy", 2, 1), ("buy", 1, 9999)]),
    )
    assert more.maintenance_requirement == 80 + 1100, "order prices are not used"


@pytest.mark.parametrize(
    ("quantity", "side", "ordered", "expected"),
    [
        (2, "sell", 10, 200),
        (2, "sell", 2, 20),
        (2, "sell", 1, 20),
        (2, "buy", 1, 30),
        (-2, "buy", 2, 40),
        (-2, "buy", 10, 100),
        (-2, "buy", 1, 40),
        (-2, "sell", 1, 60),
        (0, "buy", 3, 30),
        (0, "sell", 3, 60),
    ],
)
def test_VEGA_011_orders_open_the_other_side_only_beyond_the_position(
    quantity: int, side: str, ordered: int, expected: int
) -> None:
    assert maintenance(quantity, [(side, ordered, 100)]) == expected


@pytest.mark.parametrize(
    ("quantity", "funding", "expected"),
    [(3, None, 30), (3, 2, 36), (3, -2, 30), (-3, None, 60), (-3, -2, 66), (-3, 2, 60)],
)
def test_VEGA_012_funding_counts_where_it_is_owed(
    quantity: int, funding: int | None, expected: int
) -> None:
    assert maintenance(quantity, funding=funding) == expected


def test_VEGA_012_funding_joins_the_side_that_orders_open() -> None:
    assert maintenance(2, [("sell", 10, 100)], funding=5) == 210
    assert maintenance(-2, [("buy", 10, 100)], funding=-5) == 110


def test_VEGA_013_slippage_is_linear_and_quadratic_in_the_position() -> None:
    slip = {"linear_slippage": 0.5, "quadratic_slippage": 0.01}
    assert maintenance(41, mark=110, **slip) == 4556
    assert maintenance(0, [("buy", 41, 110)], mark=110, **slip) == 451
    # 110·(0.5·2 + 0.01·4) + 110·0.2·2 of the short, its own side's slippage
    assert maintenance(-2, mark=110, **slip) == 159


def test_VEGA_014_levels_are_cut_and_so_are_factors() -> None:
    for search, expected in ((1.1000099, 1_100_000), (1.10001, 1_100_010), (1.1, 1_100_000)):
        found = ask(
            parameters={"risk_factors": {"long": 1}, "scaling": {"search": search}},
            market=market(1_000_000),
            account=account("cross", 1),
        )
        assert found.native == {"search_level": expected, "release_level": 1_400_000}
        assert found.initial_requirement == 1_200_000
    found = ask(
        parameters={"risk_factors": FACTORS, "linear_slippage": 0.000125},
        market=market(15800),
        account=account("cross", 3),
    )
    assert (found.maintenance_requirement, found.initial_requirement) == (4746, 5695)
    assert found.native == {"search_level": 5220, "release_level": 6644}


@pytest.mark.parametrize("mode", ["cross", "portfolio"])
def test_VEGA_015_nothing_open_needs_nothing(mode: str) -> None:
    closed = [{"instrument": "BTC-PERPETUAL", "quantity": 0}]
    for fields in (
        {"account": {"mode": mode}},
        {"account": {"mode": mode, "positions": closed}, "market": market()},
        {"account": {"mode": mode, "positions": closed}},
    ):
        found = ask(**fields)
        assert found.maintenance_requirement == 0
        assert found.initial_requirement == 0
        assert found.native == {"search_level": 0, "release_level": 0}
        assert found.parts == ()
    assert ask().maintenance_requirement == 0, "a case that asks nothing is an empty cross account"


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False)


BOOKS = st.fixed_dictionaries(
    {
        "mark": decimals("0", "100000", 3),
        "position": decimals("-500", "500", 2),
        "buys": st.lists(decimals("0.01", "300", 2), max_size=3),
        "sells": st.lists(decimals("0.01", "300", 2), max_size=3),
        "funding": decimals("-9", "9", 3),
        "long": decimals("0", "1", 9),
        "short": decimals("0", "2", 9),
        "linear": decimals("0", "0.5", 4),
        "quadratic": decimals("0", "0.01", 6),
        "search": decimals("1", "1.1", 7),
        "initial": decimals("1.1", "1.3", 7),
        "release": decimals("1.3", "3", 7),
    }
)


def book_answer(book: dict[str, Any]) -> Any:
    texts = {name: str(value) for name, value in book.items() if not isinstance(value, list)}
    orders = [("buy", str(q), "1") for q in book["buys"]]
    orders += [("sell", str(q), "1") for q in book["sells"]]
    return ask(
        parameters={
            "risk_factors": {"long": f"{book['long']:f}", "short": f"{book['short']:f}"},
            "linear_slippage": f"{book['linear']:f}",
            "quadratic_slippage": f"{book['quadratic']:f}",
            "scaling": {name: f"{book[name]:f}" for name in ("search", "initial", "release")},
        },
        market=market(texts["mark"], funding_payment=texts["funding"]),  # type: ignore[arg-type]
        account=account("cross", texts["position"], orders),
    )


@settings(deadline=None, max_examples=150)
@given(BOOKS)
def test_VEGA_016_levels_equal_the_twin(book: dict[str, Any]) -> None:
    found = book_answer(book)
    exact = {name: Fraction(v) for name, v in book.items() if not isinstance(v, list)}
    expected = cross_levels(
        exact["mark"],
        exact["position"],
        Fraction(sum(map(Fraction, book["buys"]))),
        Fraction(sum(map(Fraction, book["sells"]))),
        exact["funding"],
        exact,
    )
    assert (
        found.maintenance_requirement,
        found.native["search_level"],
        found.initial_requirement,
        found.native["release_level"],
    ) == expected


@settings(deadline=None, max_examples=150)
@given(BOOKS)
def test_VEGA_017_parts_sum_exactly(book: dict[str, Any]) -> None:
    found = book_answer(book)
    assert sum(Fraction(part.maintenance) for part in found.parts) == found.maintenance_requirement
    assert sum(Fraction(part.initial) for part in found.parts) == found.initial_requirement
    for part in found.parts:
        assert part.maintenance >= 0
        assert part.underlying == "BTC"
        assert part.instrument == "BTC-PERPETUAL"
        assert part.name != "rounding" or part.maintenance < 1


def test_VEGA_017_parts_are_named() -> None:
    found = ask(
        parameters={"risk_factors": {"long": 0.1, "short": 0.12}, "linear_slippage": 0.01},
        market=market(1000, funding_payment=3.5),
        account=account("cross", 8, [("sell", 5, 1010)]),
    )
    assert [(p.name, p.maintenance, p.initial) for p in found.parts] == [
        ("slippage", 80, 96),
        ("risk_factor", 800, 960),
        ("funding", 28, Decimal("33.6")),
        ("rounding", 0, Decimal("-0.6")),
    ]
    ordered = ask(
        parameters={"risk_factors": FACTORS},
        market=market(),
        account=account("cross", 2, [("sell", 10, 1)]),
    )
    assert [(p.name, p.maintenance) for p in ordered.parts] == [("orders", 200)]


@settings(deadline=None, max_examples=100)
@given(BOOKS)
def test_VEGA_018_levels_are_in_order(book: dict[str, Any]) -> None:
    found = book_answer(book)
    search, release = found.native["search_level"], found.native["release_level"]
    assert found.maintenance_requirement <= search <= found.initial_requirement <= release


def test_VEGA_019_markets_add_up() -> None:
    book = {
        "mode": "portfolio",
        "positions": [
            {"instrument": "BTC-PERPETUAL", "quantity": 3},
            {"instrument": "ETH-28JUN24", "quantity": -1},
        ],
        "orders": [
            {"side": "sell", "quantity": 2, "price": 9, "instrument": "ETH-28JUN24"},
            {"side": "buy", "quantity": 4, "price": 9, "instrument": "SOL-PERPETUAL"},
        ],
    }
    prices = {
        "BTC": {"perpetual": {"mark_price": 100.3}},
        "ETH": {"expiries": [{"expiry": "2024-06-28T08:00:00Z", "forward_price": 10.1}]},
        "SOL": {"mark_price": 7.7, "perpetual": {"mark_price": 9}},
    }
    found = ask(
        parameters={"risk_factors": FACTORS},
        market={"as_of": "2024-06-01T00:00:00Z", "underlyings": prices},
        account=book,
    )
    # ⌈30.09⌉ + ⌈6.06⌉ + ⌈3.08⌉; initial ⌊37.2⌋ + ⌊8.4⌋ + ⌊4.8⌋
    assert found.maintenance_requirement == 31 + 7 + 4
    assert found.initial_requirement == 37 + 8 + 4
    assert found.native == {"search_level": 34 + 7 + 4, "release_level": 43 + 9 + 5}
    by_market = {name: Fraction(0) for name in ("BTC-PERPETUAL", "ETH-28JUN24", "SOL-PERPETUAL")}
    for part in found.parts:
        by_market[part.instrument] += Fraction(part.maintenance)
    assert list(by_market.values()) == [31, 7, 4]


def test_VEGA_063_equity_is_cash_collateral_and_gains() -> None:
    fields: dict[str, Any] = {
        "parameters": {"risk_factors": FACTORS},
        "market": {
            "as_of": "2024-06-01T00:00:00Z",
            "assets": {"ETH": {"price": 1500}},
            "underlyings": {"BTC": {"mark_price": 100}},
        },
    }
    book = account("cross", 3, entry_price=90, balances={"USDT": 1000, "ETH": 2})
    found = ask(account=book, **fields)
    assert (found.equity, found.currency) == (4030, "USDT")
    stated = dict(book["positions"][0], unrealised_pnl=-7, unrealised_funding=2)
    found = ask(account=book | {"positions": [stated]}, **fields)
    assert found.equity == 4000 - 7 + 2
    alone = ask(account={"mode": "cross", "balances": {"USDC": 55}})
    assert (alone.equity, alone.currency) == (55, "USDC"), "the market settles in what is held"
    with pytest.raises(InputError, match=r"METH-E01: market\.assets\.USDC\.price is missing"):
        ask(account={"mode": "cross", "balances": {"USDC": 55, "USDT": 1}})
