"""BitMEX's auto-deleveraging rank: holders, ties, edges, and queues of several contracts."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steelyard.margin.methods.own.bitmex_adl import answer, queue_of, rank_of
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.support.method_cases import case_lines, check_case

Row = dict[str, Any]


def stated(line: Row) -> Case[float]:
    """Return a line as a stated case."""
    text = msgspec.json.Encoder(decimal_format="number").encode(line)
    return msgspec.json.decode(text, type=Case[float])


def holder(
    account: str, quantity: float, entry: float, bankruptcy: float, name: str = "BTC", **more: Any
) -> Row:
    """Return the stated position of a holder."""
    return {
        "account": account, "instrument": f"{name}-PERPETUAL", "quantity": quantity,
        "entry_price": entry, "bankruptcy_price": bankruptcy, **more,
    }  # fmt: skip


def queued(*holders: Row, **marks: float) -> Any:
    """Return the queue at BTC 100 unless marks say otherwise."""
    prices = marks or {"BTC": 100.0}
    case = stated(
        {
            "case": "c",
            "method": "bitmex-adl",
            "market": {
                "underlyings": {n: {"perpetual": {"mark_price": p}} for n, p in prices.items()}
            },
            "account": {"positions": holders},
        }
    )
    found = answer(case, documents().get("bitmex-adl"))
    assert found == type(found)(native=found.native)  # it ranks and requires nothing
    return found.native["queue"]


def test_BADL_001_three_values_make_the_score() -> None:
    inverse = queued(holder("A1", 10_000.0, 50_000.0, 45_000.0, contract="inverse"), BTC=60_000.0)
    near = {"rel": 1e-14}
    assert inverse == [
        {
            "account": "A1",
            "side": "long",
            "pnl_percent": pytest.approx(1 / 6, **near),
            "effective_leverage": pytest.approx(3.0, **near),
            "score": pytest.approx(0.5, **near),
            "rank": 1,
        }
    ]
    linear = queued(holder("A1", 1.0, 50_000.0, 45_000.0, contract="linear"), BTC=60_000.0)
    assert [linear[0][name] for name in ("pnl_percent", "effective_leverage", "score")] == [
        0.2, 4.0, 0.8,
    ]  # fmt: skip


def test_BADL_002_a_loser_is_divided_by_the_leverage() -> None:
    found = rank_of("cat", 900.0, 55_000.0, 56_000.0, 51_000.0, is_inverse=True)
    assert found.effective_leverage == pytest.approx(12.75, rel=1e-13)
    assert found.pnl_percent == pytest.approx(-1 / 55, rel=1e-13)
    assert found.score == pytest.approx(-1 / 55 / 12.75, rel=1e-13)


def test_BADL_003_for_a_short_the_differences_keep_their_sign() -> None:
    inverse = rank_of("bob", -7_000.0, 55_000.0, 58_000.0, 61_000.0, is_inverse=True)
    assert inverse.score == pytest.approx(3 / 55 * 61 / 6, rel=1e-12)
    linear = rank_of("eve", -2.0, 90.0, 100.0, 120.0, is_inverse=False)
    assert (linear.pnl_percent, linear.effective_leverage) == (0.1, 3.0)
    assert linear.score == pytest.approx(0.3)
    assert not linear.is_long
    loser = rank_of("fay", -2.0, 110.0, 100.0, 120.0, is_inverse=False)
    assert (loser.pnl_percent, loser.effective_leverage) == (-0.1, 11.0)


@given(
    st.sampled_from([1.0, -1.0]),
    st.tuples(st.floats(1.0, 1e6), st.floats(1.0, 1e6), st.floats(1.0, 1e6)),
    st.booleans(),
    st.integers(-30, 30),
    st.floats(0.001, 1e6),
)
def test_BADL_004_the_rank_does_not_depend_on_the_quantity(
    side: float, prices: tuple[float, float, float], is_inverse: bool, power: int, size: float
) -> None:
    mark, entry, bankruptcy = prices
    assume(abs(mark / bankruptcy - 1) > 1e-6 and abs(mark / entry - 1) > 1e-6)
    one = rank_of("a", side, mark, entry, bankruptcy, is_inverse)
    assert rank_of("a", side * 2.0**power, mark, entry, bankruptcy, is_inverse) == one
    other = rank_of("a", side * size, mark, entry, bankruptcy, is_inverse)
    assert other[2:] == pytest.approx(one[2:], rel=1e-8)


def test_BADL_005_at_the_bankruptcy_price_leverage_has_no_bound() -> None:
    found = queued(
        holder("high", 1.0, 50.0, 99.0),
        holder("edge", 1.0, 90.0, 100.0),
        holder("lost", 1.0, 110.0, 100.0),
        holder("mild", 1.0, 101.0, 90.0),
    )
    assert [(e["account"], e["rank"]) for e in found] == [
        ("edge", 1), ("high", 2), ("lost", 3), ("mild", 4),
    ]  # fmt: skip
    assert (found[0]["effective_leverage"], found[0]["score"]) == (None, None)
    assert (found[2]["effective_leverage"], found[2]["score"]) == (None, 0.0)
    assert found[0]["pnl_percent"] == pytest.approx(1 / 9)


def test_BADL_006_beyond_the_bankruptcy_price_the_formulas_hold() -> None:
    found = rank_of("a", 1.0, 90.0, 100.0, 95.0, is_inverse=False)
    assert (found.pnl_percent, found.effective_leverage) == (-0.1, -18.0)
    assert found.score == pytest.approx(1 / 180)
    winner = rank_of("a", 1.0, 90.0, 80.0, 95.0, is_inverse=False)
    assert winner.score == 0.125 * -18.0


@pytest.mark.parametrize("bankruptcy", [80.0, 120.0])
def test_BADL_007_no_gain_is_a_score_of_zero(bankruptcy: float) -> None:
    for quantity in (2.0, -2.0):
        entry = queued(holder("a", quantity, 100.0, bankruptcy))[0]
        assert str(entry["score"]) == str(entry["pnl_percent"]) == "0.0"


def test_BADL_005_BADL_007_no_gain_at_the_bankruptcy_price_is_a_score_of_zero() -> None:
    entry = queued(holder("a", 1.0, 100.0, 100.0))[0]
    assert (entry["pnl_percent"], entry["effective_leverage"], entry["score"]) == (0.0, None, 0.0)


def test_BADL_010_longs_then_shorts_by_falling_score() -> None:
    found = queued(
        holder("dan", -100.0, 50_000.0, 70_000.0, contract="inverse"),
        holder("cat", 900.0, 56_000.0, 51_000.0, contract="inverse"),
        holder("bob", -7_000.0, 58_000.0, 61_000.0, contract="inverse"),
        holder("ann", 5_000.0, 48_000.0, 40_000.0, contract="inverse"),
        BTC=55_000.0,
    )
    assert [(e["account"], e["side"], e["rank"]) for e in found] == [
        ("ann", "long", 1), ("cat", "long", 2), ("bob", "short", 1), ("dan", "short", 2),
    ]  # fmt: skip
    assert [round(e["score"], 4) for e in found] == [0.3394, -0.0014, 0.5545, -0.0195]


def test_BADL_011_equal_scores_go_by_account() -> None:
    found = queued(
        holder("b", 3.0, 80.0, 60.0), holder("a", 7.0, 80.0, 60.0), holder("c", 1.0, 80.0, 60.0),
        holder("z", -1.0, 120.0, 130.0), holder("y", -8.0, 120.0, 130.0),
    )  # fmt: skip
    assert [e["account"] for e in found] == ["a", "b", "c", "y", "z"]
    assert [e["rank"] for e in found] == [1, 2, 3, 1, 2]


def test_BADL_012_a_holder_of_nothing_is_not_queued() -> None:
    found = queued(holder("a", 0.0, 80.0, 60.0), holder("b", 1.0, 80.0, 60.0))
    assert [(e["account"], e["rank"]) for e in found] == [("b", 1)]
    assert queued({"account": "a", "instrument": "BTC-PERPETUAL", "quantity": 0}) == []


def test_BADL_013_several_contracts_have_a_queue_each() -> None:
    held = (
        holder("a", 1.0, 80.0, 60.0),
        holder("a", -1.0, 12.0, 20.0, "ETH"),
        holder("b", 1.0, 70.0, 60.0),
        holder("c", 1.0, 9.0, 5.0, "ETH"),
    )
    found = queued(*held, BTC=100.0, ETH=10.0)
    assert set(found) == {"BTC-PERPETUAL", "ETH-PERPETUAL"}
    for name, own in (("BTC", held[::2]), ("ETH", held[1::2])):
        assert found[f"{name}-PERPETUAL"] == queued(*own, BTC=100.0, ETH=10.0)
    assert [e["rank"] for e in found["ETH-PERPETUAL"]] == [1, 1]


def test_BADL_014_linear_unless_it_says_inverse() -> None:
    plain, linear = holder("a", 1.0, 80.0, 60.0), holder("a", 1.0, 80.0, 60.0, contract="linear")
    assert queued(plain) == queued(linear)
    inverse = holder("b", 1.0, 80.0, 60.0, contract="inverse")
    both = queued(plain, inverse)
    scores = {entry["account"]: entry["score"] for entry in both}
    assert scores == {"a": 0.25 * 2.5, "b": pytest.approx(0.2 * 1.5)}
    assert [entry["account"] for entry in both] == ["a", "b"]


def test_BADL_015_the_order_of_the_list_plays_no_part() -> None:
    held = [
        holder("a", 1.0, 80.0, 60.0),
        holder("b", 1.0, 80.0, 60.0),
        holder("c", -1.0, 80.0, 160.0),
        holder("d", 1.0, 120.0, 60.0),
    ]
    first = queued(*held)
    assert all(queued(*turned) == first for turned in permutations(held))


def test_BADL_016_no_holders_are_an_empty_queue() -> None:
    assert queued() == []
    assert queue_of([]) == []


def without(name: str) -> Row:
    """Return a holder that lacks a field."""
    return {key: value for key, value in holder("a", 1.0, 80.0, 60.0).items() if key != name}


AT = "account.positions[0]"


@pytest.mark.parametrize(
    ("held", "code", "field"),
    [
        (without("account"), "METH-E02", f"{AT}.account"),
        (without("entry_price"), "METH-E02", f"{AT}.entry_price"),
        (without("bankruptcy_price"), "METH-E02", f"{AT}.bankruptcy_price"),
        (holder("a", 1.0, 80.0, 60.0, "SOL"), "METH-E01", "market.underlyings.SOL"),
        ({**holder("a", 1.0, 80.0, 60.0), "instrument": "BTC-28JUN30"}, "METH-E04",
         f"{AT}.instrument"),
        ({**holder("a", 1.0, 80.0, 60.0), "instrument": "BTC-28JUN30-1-C"}, "METH-E04",
         f"{AT}.instrument"),
        (holder("a", 1.0, 0.0, 60.0), "METH-E05", f"{AT}.entry_price"),
        (holder("a", 1.0, 80.0, 0.0, contract="inverse"), "METH-E05", f"{AT}.bankruptcy_price"),
        (holder("a", 1.0, 80.0, -1.0), "METH-E05", f"{AT}.bankruptcy_price"),
        (holder("a", 1e307, 80.0, 60.0), "METH-E05", f"{AT}.quantity"),
        (holder("a", 1e-323, 80.0, 60.0, contract="inverse"), "METH-E05", f"{AT}.quantity"),
    ],
)  # fmt: skip
def test_BADL_020_what_is_missing_is_named(held: Row, code: str, field: str) -> None:
    with pytest.raises(InputError) as caught:
        queued(held)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


def test_BADL_020_a_holder_twice_is_refused() -> None:
    one = holder("a", 1.0, 80.0, 60.0)
    with pytest.raises(InputError, match="METH-E03: a holds BTC-PERPETUAL twice"):
        queued(one, holder("b", 1.0, 80.0, 60.0), one)


def test_BADL_020_a_linear_long_may_be_bankrupt_at_zero() -> None:
    entry = queued(holder("a", 1.0, 80.0, 0.0))[0]
    assert (entry["effective_leverage"], entry["score"]) == (1.0, 0.25)


@pytest.mark.parametrize("line", case_lines("bitmex-adl"), ids=lambda line: line["case"])
def test_BADL_030_the_open_cases_hold(line: Row) -> None:
    case = stated(line)
    document = documents().get(case.method).with_parameters(case.parameters)
    check_case(line, answer(case, document))
