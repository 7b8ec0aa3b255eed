"""Loss socialisation and disposal of Vega."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.quantities import InputError
from tests.margin.methods.own.vega_twin import ask

WHOLE = st.integers(0, 10**12)


def paid(losers: list[tuple[int, int]], gains: dict[str, int], pool: int | None = None) -> Any:
    question: dict[str, Any] = {
        "losers": [{"party": f"L{i}", "balance": b, "loss": x} for i, (b, x) in enumerate(losers)],
        "winners": [{"party": party, "gain": gain} for party, gain in gains.items()],
    }
    if pool is not None:
        question["insurance_pool"] = pool
    return ask(socialise=question).native["payout"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(WHOLE, WHOLE), max_size=5),
    st.dictionaries(st.sampled_from(["network", "A", "B", "C", "D"]), WHOLE, max_size=5),
    WHOLE,
)
def test_VEGA_040_payouts_sum_to_the_pot(
    losers: list[tuple[int, int]], gains: dict[str, int], pool: int
) -> None:
    payout = paid(losers, gains, pool)
    pot = min(sum(min(b, x) for b, x in losers) + pool, sum(gains.values()))
    assert sum(payout.values()) == pot
    assert list(payout) == list(gains)
    last = "network" if "network" in gains else list(gains)[-1] if gains else ""
    for party, gain in gains.items():
        share = gain * pot // max(1, sum(gains.values()))
        assert payout[party] == share or party == last
        assert share <= payout[party] < share + max(1, len(gains))


def test_VEGA_040_never_more_than_was_won() -> None:
    gains = {"B": 60, "C": 25, "D": 15}
    assert paid([(70, 100)], gains, 13) == {"B": 49, "C": 20, "D": 14}
    assert paid([(70, 100)], gains, 1000) == gains
    assert paid([(70, 100), (40, 20)], gains, 0) == {"B": 54, "C": 22, "D": 14}
    assert paid([], gains) == {"B": 0, "C": 0, "D": 0}


def test_VEGA_041_the_remainder_goes_to_the_network_or_the_last() -> None:
    assert paid([(10, 50)], {"network": 7, "B": 43}) == {"network": 2, "B": 8}
    assert paid([(10, 50)], {"A": 7, "B": 43}) == {"A": 1, "B": 9}
    assert paid([(10, 50)], {}) == {}
    assert paid([(10, 50)], {"A": 0, "B": 0}) == {"A": 0, "B": 0}
    assert paid([(10, 50)], {"A": 30, "B": 0}) == {"A": 10, "B": 0}


@pytest.mark.parametrize(
    ("question", "match"),
    [
        (
            {"losers": [{"party": "A", "balance": 1, "loss": -1}], "winners": []},
            r"METH-E05: socialise\.losers\[0\]\.loss is -1",
        ),
        (
            {"losers": [], "winners": [{"party": "B", "gain": 0.5}]},
            r"METH-E05: socialise\.winners\[0\]\.gain is 0\.5",
        ),
        (
            {"losers": [], "winners": [{"party": "B", "gain": 1}, {"party": "B", "gain": 2}]},
            r"METH-E03: B stands there twice .*socialise\.winners\[1\]\.party",
        ),
        (
            {"losers": [], "winners": [{"party": "B"}]},
            r"METH-E02: socialise\.winners\[0\]\.gain: Object missing",
        ),
        ({"losers": []}, r"METH-E02: socialise\.winners: Object missing"),
        ({"losers": 3, "winners": []}, r"METH-E02: socialise\.losers: Expected `array`"),
        ([], r"METH-E02: socialise: Expected `object`"),
    ],
)
def test_VEGA_042_what_is_no_settlement_is_refused_by_field(question: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        ask(socialise=question)


def steps(
    position: Any, fraction: Any, small: Any, volume: Any = 10**9, share: Any = 1
) -> list[int | float]:
    found = ask(
        disposal={
            "position": position,
            "disposal_fraction": fraction,
            "full_disposal_size": small,
            "book_side_volume": volume,
            "max_fraction": share,
        }
    )
    sizes: list[int | float] = found.native["steps"]
    return sizes


def test_VEGA_050_a_share_then_all_never_more_than_the_book_bears() -> None:
    assert steps(500, 0.4, 30, 2000, 0.05) == [100, 100, 100, 80, 48, 29, 18, 25]
    assert steps(500, 0.4, 500) == [500]
    assert steps(500, 1, 0) == [500]
    assert steps(500, 1, 500, 300) == [300, 200], "selling all of it is capped too"
    assert steps(10, 0.5, 0) == [5, 3, 1, 1]
    assert steps(2.5, 0.1, 3) == [2.5]
    assert steps(2.5, 1, 0) == [2.5], "rounding up never sells more than is left"
    assert steps(10, 0.1, 0, 29.9, 0.1) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert steps(0, 0.5, 10, 0) == [], "nothing to sell needs no book"


@settings(deadline=None)
@given(
    st.integers(0, 5000),
    st.integers(1, 100),
    st.integers(0, 100),
    st.integers(100, 3000),
    st.integers(1, 100),
)
def test_VEGA_050_steps_sell_the_position_once(
    position: int, fraction: int, small: int, volume: int, share: int
) -> None:
    sizes = steps(position, fraction / 100, small, volume, share / 100)
    assert sum(map(Decimal, sizes)) == position
    largest = volume * share // 100
    left = position
    for size in sizes:
        wanted = left if left <= small else -(-left * fraction // 100)
        assert size == min(wanted, largest)
        left -= int(size)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((5, 0.5, 1, 19, 0.05), r"book_side_volume⌋ is 0.*field=disposal\.book_side_volume"),
        ((5, 0.5, 1, 0, 1), r"field=disposal\.book_side_volume"),
        ((5, 0.5, 1, 100, 0), r"field=disposal\.book_side_volume"),
        ((5, 0, 1), r"field=disposal\.disposal_fraction"),
        ((10**9, 0.5, 0, 10, 0.1), r"more than 100000 steps"),
        ((-5, 0.5, 1), r"METH-E05: disposal\.position is -5"),
        ((5, 1.5, 1), r"METH-E05: disposal\.disposal_fraction is 1\.5"),
        ((5, 0.5, 1, 10, 2), r"METH-E05: disposal\.max_fraction is 2"),
        ((5, "abc", 1), r"METH-E02: disposal\.disposal_fraction"),
        (("1e999999", 0.5, 1), r"METH-E05: disposal\.position"),
    ],
)
def test_VEGA_051_a_disposal_ends_or_says_what_keeps_it(arguments: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        steps(*arguments)
    assert steps(1, 0, 1) == [1], "a fraction of 0 still sells what is small"
